"""The denoising network of CemiFace (NeurIPS 2024, Sec. 3.2, App. A.1).

DCFace's U-Net, but AdaGN carries the time alone: identity and similarity enter as one token appended to the keys and
values of every self-attention.
"""

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from semihard.errors import InputError


@dataclass(frozen=True)
class Shape:
    """Channels per level; the levels with attention, 0 the finest; channels per head; the levels that do not halve;
    whether the U-Net's output is the velocity v instead of ε; tokens that C_att is split into (the papers: one)."""

    channels: tuple[int, ...]
    attention: tuple[int, ...]
    head_dim: int
    undivided: tuple[int, ...] = ()
    velocity: bool = False
    tokens: int = 1


SHAPES = {
    # DCFace's U-Net: 128 × (1, 1, 2, 2, 4, 4), one block per level, attention at 7 × 7. Its fifth halving does nothing.
    "dcface_112": Shape((128, 128, 256, 256, 512, 512), attention=(4,), head_dim=64, undivided=(4,)),
    "tiny": Shape((64, 96, 128), attention=(1, 2), head_dim=32, velocity=True, tokens=8),
}


class SimilarityUNet(nn.Module):
    """ε′ = net(x_t, t, C_att), C_att = F2(concat(C_id, F1(m))) (CemiFace Eqs. 5–8).

    network: "dcface_112" (96.2 M parameters with a 512-d embedding) or "tiny" (5.0 M with a 128-d one); image_size: side
    in pixels; embedding_dim: D; schedule: of the noise. "tiny" folds pixels into channels, and its U-Net's output is the
    velocity v, ε′ = √(1 − ᾱ_t) x_t + √ᾱ_t v (Salimans & Ho, ICLR 2022): the objective is the same, but a short
    training need not first learn to copy the noise where there is little else. Convolutions and projections that end a
    residual branch, and the last one, start at zero (guided diffusion: Dhariwal & Nichol, NeurIPS 2021).
    Raises InputError where the side does not divide by what the network halves.
    """

    def __init__(self, network: str, image_size: int, embedding_dim: int, schedule: DDPMScheduler):
        super().__init__()
        shape = SHAPES[network]
        levels = len(shape.channels)
        self.fold = 1 if network == "dcface_112" else 2 if image_size < 64 else 4
        divisor = self.fold << (levels - 1 - len(shape.undivided))
        if image_size % divisor:
            raise InputError(f"image_size {image_size}: the network {network!r} takes multiples of {divisor} pixels")
        self.embedding_dim, self.velocity, self.tokens = embedding_dim, shape.velocity, shape.tokens
        self.register_buffer("abar", schedule.alphas_cumprod, persistent=False)
        self.F1 = nn.Linear(1, embedding_dim)
        self.F2 = nn.Linear(2 * embedding_dim, shape.tokens * shape.channels[-1])
        attends = [level in shape.attention for level in range(levels)]
        self.unet = UNet2DConditionModel(
            sample_size=image_size // self.fold,
            in_channels=3 * self.fold**2,
            out_channels=3 * self.fold**2,
            down_block_types=["SimpleCrossAttnDownBlock2D" if a else "ResnetDownsampleBlock2D" for a in attends],
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=["SimpleCrossAttnUpBlock2D" if a else "ResnetUpsampleBlock2D" for a in reversed(attends)],
            block_out_channels=shape.channels,
            layers_per_block=1,
            cross_attention_dim=shape.channels[-1],
            attention_head_dim=shape.head_dim,
            resnet_time_scale_shift="scale_shift",
        )
        for level in shape.undivided:  # 7 is odd: the blocks stay, their halving and doubling go
            self.unet.down_blocks[level].downsamplers[0].downsample = None
            self.unet.up_blocks[levels - 2 - level].upsamplers[0].upsample = None
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        last = [module.conv2 for module in self.unet.modules() if isinstance(module, ResnetBlock2D)]
        last += [module.to_out[0] for module in self.unet.modules() if isinstance(module, Attention)]
        for layer in [*last, self.unet.conv_out]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, identity: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        """Predicted noise ε′ `[n, 3, s, s]`.

        x_t: `[n, 3, s, s]`; t: int64 `[n]`; identity C_id: unit embeddings `[n, D]`; m: requested similarity `[n]`.
        """
        C_id = identity * self.embedding_dim**0.5  # unit variance per entry, the scale of F1(m)
        C_sim = self.F1(m[:, None])
        C_att = self.F2(torch.cat([C_id, C_sim], 1)).unflatten(1, (self.tokens, -1))
        folded = nn.functional.pixel_unshuffle(x_t, self.fold)
        output = nn.functional.pixel_shuffle(self.unet(folded, t, C_att).sample, self.fold)
        if not self.velocity:
            return output
        abar_t = self.abar[t][:, None, None, None]
        return (1 - abar_t).sqrt() * x_t + abar_t.sqrt() * output

"""The denoising networks: one U-Net and what conditions it.

CemiFace (NeurIPS 2024, Sec. 3.2, App. A.1) takes DCFace's U-Net, but AdaGN carries the time alone: identity and
similarity enter as one token appended to the keys and values of every self-attention.
"""

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from semihard.errors import InputError
from semihard.generator.sizes import SIZES


class GroupNorm(nn.GroupNorm):
    """nn.GroupNorm, written out for torch.compile: its own decomposition copies channels-last activations to NCHW and back,
    which on an H100 takes longer than the convolutions between. Sums run over pixels first, along which memory is strided.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised x `[n, c, …]`."""
        if not torch.compiler.is_compiling():
            return super().forward(x)
        pixels = tuple(range(2, x.ndim))
        wide = x.float()
        moments = (
            torch.stack([wide.mean(pixels), wide.square().mean(pixels)]).unflatten(2, (self.num_groups, -1)).mean(3)
        )
        mean, square = moments.repeat_interleave(self.num_channels // self.num_groups, 2)
        scale = (square - mean.square()).clamp_min(0).add(self.eps).rsqrt() * self.weight
        shift = self.bias - mean * scale
        more = (...,) + (None,) * len(pixels)
        return (wide * scale[more] + shift[more]).to(x.dtype)


class Denoiser(nn.Module):
    """ε′ = net(x_t, t, tokens): the U-Net of `network` for images of `image_size` pixels.

    network: a name of `SIZES`; schedule: of the noise; tokens: extra keys and values of its attentions, None for an
    unconditional network. With `added` something is added to the time embedding too (DCFace's f_id).
    The small networks fold pixels into channels, and their U-Net's output is the image itself, ε′ = (x_t − √ᾱ_t x̂0) /
    √(1 − ᾱ_t): the objective is the same, but no noise passes from x_t to the result before the network has learned to
    see it (docs/results.md compares with ε, the velocity and EDM's preconditioning). Convolutions and projections that
    end a residual branch, and the last one, start at zero (guided diffusion: Dhariwal & Nichol, NeurIPS 2021).
    Raises InputError where the side does not divide by what it halves.
    """

    def __init__(
        self, network: str, image_size: int, schedule: DDPMScheduler, conditional: bool = True, added: bool = False
    ):
        super().__init__()
        self.shape = shape = SIZES[network].shape
        levels = len(shape.channels)
        self.fold = shape.fold
        if image_size % shape.divisor:
            raise InputError(
                f"image_size {image_size}: the network {network!r} takes multiples of {shape.divisor} pixels"
            )
        self.register_buffer("abar", schedule.alphas_cumprod, persistent=False)
        attends = [level in shape.attention for level in range(levels)]
        attending = "SimpleCrossAttn{}Block2D" if conditional else "Attn{}Block2D"
        common = {
            "sample_size": image_size // self.fold,
            "in_channels": 3 * self.fold**2,
            "out_channels": 3 * self.fold**2,
            "down_block_types": [attending.format("Down") if a else "ResnetDownsampleBlock2D" for a in attends],
            "up_block_types": [attending.format("Up") if a else "ResnetUpsampleBlock2D" for a in reversed(attends)],
            "block_out_channels": shape.channels,
            "layers_per_block": 1,
            "attention_head_dim": shape.head_dim,
            "resnet_time_scale_shift": "scale_shift",
        }
        if conditional:
            self.unet = UNet2DConditionModel(
                mid_block_type="UNetMidBlock2DSimpleCrossAttn",
                cross_attention_dim=self.token_dim,
                class_embed_type="identity" if added else None,
                **common,
            )
        else:
            resampling = {"downsample_type": "resnet", "upsample_type": "resnet"}
            self.unet = UNet2DModel(attn_norm_num_groups=32, **resampling, **common)
        for level in shape.undivided:  # 7 is odd: the blocks stay, their halving and doubling go
            self.unet.down_blocks[level].downsamplers[0].downsample = None
            self.unet.up_blocks[levels - 2 - level].upsamplers[0].upsample = None
        for module in self.unet.modules():
            if type(module) is nn.GroupNorm:
                module.__class__ = GroupNorm
        self._start_at_zero()

    @property
    def token_dim(self) -> int:
        """Length of a condition token."""
        return self.shape.channels[-1]

    @property
    def time_dim(self) -> int:
        """Length of the time embedding, to which `added` is added."""
        return 4 * self.shape.channels[0]

    def _start_at_zero(self) -> None:
        last = [module.conv2 for module in self.unet.modules() if isinstance(module, ResnetBlock2D)]
        last += [module.to_out[0] for module in self.unet.modules() if isinstance(module, Attention)]
        for layer in [*last, self.unet.conv_out]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def predict(
        self, x_t: torch.Tensor, t: torch.Tensor, tokens: torch.Tensor | None = None, added: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Predicted noise ε′ `[n, 3, s, s]`.

        x_t: `[n, 3, s, s]`; t: int64 `[n]`; tokens: `[n, k, token_dim]`; added: `[n, time_dim]`.
        """
        folded = nn.functional.pixel_unshuffle(x_t, self.fold) if self.fold > 1 else x_t
        conditions = {} if tokens is None else {"encoder_hidden_states": tokens, "class_labels": added}
        output = self.unet(folded, t, **conditions).sample
        output = nn.functional.pixel_shuffle(output, self.fold) if self.fold > 1 else output
        if not self.shape.clean:
            return output
        abar_t = self.abar[t][:, None, None, None]
        return (x_t - abar_t.sqrt() * output.to(x_t.dtype)) / (1 - abar_t).sqrt()

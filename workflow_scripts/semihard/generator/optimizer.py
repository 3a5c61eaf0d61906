"""What updates a generator's weights: AdamW, or Muon (Jordan et al., 2024) for matrices and AdamW for the rest."""

import torch
from torch import nn

from semihard.compute.device import has_fast_bf16
from semihard.generator.float32_muon import Float32Muon
from semihard.generator.settings import Diffusion

FIRST_AND_LAST = (
    "conv_in",
    "conv_out",
    "time_emb",
)  # Muon's authors leave a network's ends to AdamW; here, what takes t in too


class Optimizer:
    """AdamW for all parameters; where `settings.muon_learning_rate` is given, torch's Muon for matrices and convolution
    kernels, each kernel a matrix with a row per output channel, but for those of the network's ends."""

    def __init__(self, network: nn.Module, settings: Diffusion, device: torch.device):
        named = list(network.named_parameters())
        by_muon = [
            parameter
            for name, parameter in named
            if settings.muon_learning_rate and parameter.ndim > 1 and not any(end in name for end in FIRST_AND_LAST)
        ]
        known = {id(parameter) for parameter in by_muon}
        rest = [parameter for _, parameter in named if id(parameter) not in known]
        decay, fused = settings.weight_decay, device.type != "mps"
        self.parts = {"adamw": torch.optim.AdamW(rest, settings.learning_rate, weight_decay=decay, fused=fused)}
        self._parameters = [parameter for _, parameter in named]
        self._matrices = [(parameter, nn.Parameter(as_matrix(parameter.detach()))) for parameter in by_muon]
        if by_muon:
            matrices = [matrix for _, matrix in self._matrices]
            muon = torch.optim.Muon if has_fast_bf16(device) else Float32Muon
            self.parts["muon"] = muon(matrices, settings.muon_learning_rate, weight_decay=decay)
        self.param_groups = [{"params": self._parameters}]  # all that a torch.amp.GradScaler asks of an optimizer
        self._rates = {name: part.param_groups[0]["lr"] for name, part in self.parts.items()}

    def step(self, factor: float) -> None:
        """One update by the gradients there are; factor: of the learning rates."""
        for parameter, matrix in self._matrices:
            matrix.grad = as_matrix(parameter.grad, like=parameter)
        for name, part in self.parts.items():
            for group in part.param_groups:
                group["lr"] = factor * self._rates[name]
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def as_matrix(kernel: torch.Tensor, like: torch.Tensor | None = None) -> torch.Tensor:
    """A kernel `[o, i, h, w]` as a matrix `[o, i h w]` of the same memory, whichever of torch's two layouts it has: Muon
    does not mind the order of columns. like: whose layout it is to follow, by a copy if need be."""
    if kernel.ndim == 2:
        return kernel
    contiguous = (kernel if like is None else like).is_contiguous()
    return kernel.flatten(1) if contiguous else kernel.permute(0, 2, 3, 1).flatten(1)

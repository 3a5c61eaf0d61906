"""AdaFace."""

import math

import torch
from torch import Tensor

from semihard.recognizer.margin_head import SoftmaxHead


class AdaFace(SoftmaxHead):
    """cos(θ − m k) − (m + m k), k from the feature norm, a proxy of image quality (Kim et al., CVPR 2022, Eq. 11–14).

    k = clip(h (norm − mean) / (std + 0.001), −1, 1), the norm clipped to 0.001 … 100 and without gradient, its mean and
    deviation running averages in buffers. The code's defaults h = 0 and t_alpha = 1 are not the paper's; these are.
    Where processes share a batch, the averages are those of the first one's share.
    """

    published_margin = 0.4
    eps = 1e-3

    def __init__(
        self, identities: int, embedding_dim: int, margin: float, scale: float, h: float = 0.333, t_alpha: float = 0.01
    ):
        super().__init__(identities, embedding_dim, margin, scale)
        self.h, self.t_alpha = h, t_alpha
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("std", torch.tensor(100.0))

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        norm = norm.detach().clamp(self.eps, 100)
        if self.training:
            self.mean.lerp_(norm.mean().to(self.mean), self.t_alpha)
            self.std.lerp_(norm.std().to(self.std), self.t_alpha)
        k = (self.h * (norm - self.mean) / (self.std + self.eps)).clamp(-1, 1)
        theta = cosine.clamp(-1 + self.eps, 1 - self.eps).acos() - self.margin * k
        return theta.clamp(self.eps, math.pi - self.eps).cos() - self.margin * (1 + k)

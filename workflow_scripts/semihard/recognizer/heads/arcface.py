"""ArcFace."""

import math

import torch
from torch import Tensor

from semihard.recognizer.margin_head import SoftmaxHead, cos_plus_margin


class ArcFace(SoftmaxHead):
    """cos(θ + m) (Deng et al., CVPR 2019, Eq. 3) with its exact gradient.

    Beyond θ = π − m, where cos(θ + m) turns up again, cos θ − m sin m goes on falling, as in the first ArcFace code.
    """

    published_margin = 0.5

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        m = self.margin
        return torch.where(
            cosine > -math.cos(m), cos_plus_margin(cosine, math.cos(m), math.sin(m)), cosine - m * math.sin(m)
        )

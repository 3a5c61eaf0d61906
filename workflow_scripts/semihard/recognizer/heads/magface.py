"""MagFace."""

import torch
from torch import Tensor

from semihard.recognizer.margin_head import SoftmaxHead, cos_plus_margin


class MagFace(SoftmaxHead):
    """cos(θ + m(a)), m linear in the norm a, which is drawn upwards (Meng et al., CVPR 2021, Sec. 3.2 and their code).

    m(a) goes from `margin` at a = 10 to `margin` + 0.35 at a = 110 (published: 0.45 … 0.8), a clipped to that range; the
    loss has λ_g g(a) added, g(a) = a / 110² + 1 / a, λ_g = 35. Both send a gradient through the norm. The range moves
    with `margin` but keeps its width, on which the least λ_g depends. For cos θ ≤ 0 there is no margin, as in the code.
    """

    published_margin = 0.45
    width, lowest, highest, lambda_g = 0.35, 10.0, 110.0, 35.0  # u_m − l_m, l_a, u_a

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        share = (norm.clamp(self.lowest, self.highest) - self.lowest) / (self.highest - self.lowest)
        m = self.margin + self.width * share
        return torch.where(cosine > 0, cos_plus_margin(cosine, m.cos(), m.sin()), cosine)

    def criterion(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        a = norm.clamp(self.lowest, self.highest)
        return super().criterion(cosine, norm, label, weight) + self.lambda_g * (a / self.highest**2 + 1 / a).mean()

"""ArcFace as insightface computes it."""

from torch import Tensor

from semihard.recognizer.margin_head import SoftmaxHead


class ArcFaceInsightFace(SoftmaxHead):
    """cos(θ + m) as insightface computes it: the margin in place, without gradient.

    The loss is ArcFace's, the gradient at the label is that of cos θ − const, CosFace's. There is no continuation
    beyond θ = π − m: with this gradient the label's cosine is pulled up everywhere.
    """

    published_margin = 0.5

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        fixed = cosine.detach().clamp(-1, 1)
        return cosine + ((fixed.acos() + self.margin).cos() - fixed)

"""CosFace."""

from torch import Tensor

from semihard.recognizer.margin_head import SoftmaxHead


class CosFace(SoftmaxHead):
    """cos θ − m (Wang et al., CVPR 2018, Eq. 4); m = 0.4 as in the published codes, 0.35 in the paper."""

    published_margin = 0.4

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        return cosine - self.margin

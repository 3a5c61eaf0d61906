"""UniFace."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semihard.recognizer.margin_head import MarginHead


class UniFace(MarginHead):
    """One threshold b, learned, between all positive and all negative cosines (Zhou et al., ICCV 2023, and their code).

    softplus(−(s (cos θ − m) − b)) at the label, softplus(s cos θ_k − b) at every other class, summed, with the weights
    l = r = 1; a class of weight w counts w as the label and 1 − w as another class. b starts at log(10 K). The code
    clips s (cos θ − m) − b to ±s, against overflow, and so stops the gradient of far-off samples; softplus needs no clip.
    """

    published_margin = 0.4

    def __init__(self, identities: int, embedding_dim: int, margin: float, scale: float):
        super().__init__(identities, embedding_dim, margin, scale)
        self.bias = nn.Parameter(torch.tensor([math.log(10 * identities)]))

    def criterion(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        logit = self.scale * cosine - self.bias
        target = logit.gather(1, label)
        exchanged = F.softplus(self.scale * self.margin - target) - F.softplus(target)
        return (F.softplus(logit).sum(1) + (weight * exchanged).sum(1)).mean()

"""CurricularFace."""

import math

import torch
from torch import Tensor

from semihard.recognizer.heads.arcface import ArcFace
from semihard.recognizer.margin_head import cos_plus_margin


class CurricularFace(ArcFace):
    """ArcFace whose hard negatives, cos θ_k > cos(θ + m), become cos θ_k (t + cos θ_k) (Huang et al., CVPR 2020, Sec. 3.2).

    t is the running average, from 0, of the label's cosine (of its weighted labels'): hard negatives weigh more and more.
    It moves in training only; where processes share a batch, it is that of the first one's share.
    """

    t_alpha = 0.01

    def __init__(self, identities: int, embedding_dim: int, margin: float, scale: float):
        super().__init__(identities, embedding_dim, margin, scale)
        self.register_buffer("t", torch.tensor(0.0))

    def mixed(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        target = cosine.gather(1, label)
        if self.training:
            self.t.lerp_((weight * target.detach()).sum(1).mean().to(self.t), self.t_alpha)
        bound, with_margin = (
            cos_plus_margin(target, math.cos(self.margin), math.sin(self.margin)),
            self.with_margin(target, norm),
        )
        raised, logits = cosine * (self.t + cosine), torch.zeros_like(cosine)
        for j in range(label.shape[1]):  # what is a hard negative depends on the label
            logits_of_label = torch.where(cosine > bound[:, j, None], raised, cosine)
            logits = logits + weight[:, j, None] * logits_of_label.scatter(
                1, label[:, j, None], with_margin[:, j, None]
            )
        return logits

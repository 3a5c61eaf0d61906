"""Margin heads: cosines to class centers, made harder at the label by a margin, times a scale.

A sample may have several weighted labels (SynFace's two-hot identity mixup, domain mixup): the margin logits of its
labels are mixed with their weights, and so are the cross-entropies. One label of weight 1 is the ordinary loss.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semihard.errors import InputError


class MarginHead(nn.Module):
    """Class centers `weight` `[K, D]` (insightface's N(0, 0.01) initialisation), margin m and scale s.

    A head says what its margin does in `margined`; everything is computed in the weight's precision, autocast or not.
    """

    def __init__(self, identities: int, embedding_dim: int, margin: float, scale: float):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(identities, embedding_dim).normal_(0, 0.01))
        self.margin, self.scale = margin, scale

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        """The label's cosine `[n, J]` with the margin, given the embedding's length `[n, 1]`."""
        raise NotImplementedError

    def logits(self, embedding: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scaled logits `[n, K]` of raw embeddings `[n, D]`, with the margin at the label.

        label: int64 `[n]`, or `[n, J]` with `weight` `[n, J]` of sum 1: Σ_j weight_j · logits(embedding, label_j).
        """
        return self._logits(self.cosines(embedding), embedding, label.view(len(label), -1), weight)

    def loss(self, embedding: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Σ_k weight_k CE(Σ_j weight_j logits(embedding, label_j), label_k), averaged over the batch (SynFace, Sec. 3.4).

        embedding `[n, D]` raw; label int64 and weight float `[n, J]`. Returns the loss and, detached, the share of
        samples whose nearest center, margin aside, is that of their weightiest label.
        """
        cosine = self.cosines(embedding)
        logits = self._logits(cosine, embedding, label, weight)
        loss = -(weight * F.log_softmax(logits, 1).gather(1, label)).sum(1).mean()
        weightiest = label.gather(1, weight.argmax(1, keepdim=True))
        return loss, (cosine.detach().argmax(1, keepdim=True) == weightiest).float().mean()

    def cosines(self, embedding: Tensor) -> Tensor:
        """Cosine `[n, K]` of each embedding to each center."""
        with torch.autocast(embedding.device.type, enabled=False):
            return F.linear(F.normalize(embedding.to(self.weight.dtype)), F.normalize(self.weight))

    def _logits(self, cosine: Tensor, embedding: Tensor, label: Tensor, weight: Tensor | None) -> Tensor:
        target = cosine.gather(1, label)
        norm = embedding.to(self.weight.dtype).norm(dim=1, keepdim=True)
        change = self.margined(target, norm) - target
        return self.scale * cosine.scatter_add(1, label, change if weight is None else weight * change)


class CosFace(MarginHead):
    """cos θ − m (Wang et al., CVPR 2018, Eq. 4)."""

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        return cosine - self.margin


class ArcFace(MarginHead):
    """cos(θ + m) (Deng et al., CVPR 2019, Eq. 3) with its exact gradient.

    insightface computes the margin in place without gradient: same loss, but CosFace's gradient. Beyond θ = π − m, where
    cos(θ + m) turns up again, cos θ − m sin m goes on falling, as in the first ArcFace code.
    """

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        m = self.margin
        sine = (1 - cosine.square()).clamp_min(1e-7).sqrt()  # its slope is infinite at 0
        return torch.where(cosine > -math.cos(m), cosine * math.cos(m) - sine * math.sin(m), cosine - m * math.sin(m))


class AdaFace(MarginHead):
    """cos(θ − m k) − (m + m k), k from the feature norm, a proxy of image quality (Kim et al., CVPR 2022, Eq. 11–14).

    k = clip(h (norm − mean) / (std + 0.001), −1, 1), the norm clipped to 0.001 … 100 and without gradient, its mean and
    deviation running averages in buffers. The code's defaults h = 0 and t_alpha = 1 are not the paper's; these are.
    """

    eps = 1e-3

    def __init__(
        self, identities: int, embedding_dim: int, margin: float, scale: float, h: float = 0.333, t_alpha: float = 0.01
    ):
        super().__init__(identities, embedding_dim, margin, scale)
        self.h, self.t_alpha = h, t_alpha
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("std", torch.tensor(100.0))

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        norm = norm.detach().clamp(self.eps, 100)
        if self.training:
            self.mean.lerp_(norm.mean().to(self.mean), self.t_alpha)
            self.std.lerp_(norm.std().to(self.std), self.t_alpha)
        k = (self.h * (norm - self.mean) / (self.std + self.eps)).clamp(-1, 1)
        theta = cosine.clamp(-1 + self.eps, 1 - self.eps).acos() - self.margin * k
        return theta.clamp(self.eps, math.pi - self.eps).cos() - self.margin * (1 + k)


HEADS: dict[str, type[MarginHead]] = {"cosface": CosFace, "arcface": ArcFace, "adaface": AdaFace}


def build_head(name: str, identities: int, embedding_dim: int, margin: float, scale: float) -> MarginHead:
    """The head `name` for `identities` classes. Raises InputError where there is none of that name."""
    if name not in HEADS:
        raise InputError(f"head {name!r} is not known; expected one of {', '.join(HEADS)}")
    return HEADS[name](identities, embedding_dim, margin, scale)

"""Margin heads: cosines to class centers, made harder at the label by a margin, times a scale.

A sample may have several weighted labels (SynFace's two-hot identity mixup, domain mixup): the margin logits of its
labels are mixed with their weights, and so are the cross-entropies. One label of weight 1 is the ordinary loss.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semihard.settings import registry

SMALLEST_LENGTH = 1e-12  # of a vector that is divided by its length


class MarginHead(nn.Module):
    """Class centers `weight` `[K, D]` (insightface's N(0, 0.01) initialisation), margin m and scale s.

    A head, a file of recognizer/heads, says in `criterion` what it makes of cosines;
    all is computed in the weight's precision, autocast or not.
    """

    published_margin: float

    def __init__(self, identities: int, embedding_dim: int, margin: float, scale: float):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(identities, embedding_dim).normal_(0, 0.01))
        self.margin, self.scale = margin, scale

    @property
    def class_centers(self) -> Tensor:
        """The centers of all classes `[K, D]`, not normalised."""
        return self.weight

    def loss(self, embedding: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The loss averaged over the batch, and the accuracy.

        embedding `[n, D]` raw; label int64 and weight float `[n, J]`, of sum 1 per sample. The accuracy, detached, is
        the share of samples whose nearest center, margin aside, is that of their weightiest label.
        """
        with torch.autocast(embedding.device.type, enabled=False):
            cosine, norm = self.cosines(embedding)
            loss = self.criterion(cosine, norm, label, weight)
        weightiest = label.gather(1, weight.argmax(1, keepdim=True))
        return loss, (cosine.detach().argmax(1, keepdim=True) == weightiest).float().mean()

    def cosines(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine `[n, K]` of each embedding to each center, and the embeddings' length `[n, 1]`."""
        embedding = embedding.to(self.weight.dtype)
        norm = embedding.norm(dim=1, keepdim=True)
        # Dividing [n, K] products, not [K, D] centers, by the centers' lengths spares copies of the centers.
        product = F.linear(embedding / norm.clamp_min(SMALLEST_LENGTH), self.weight)
        return product / self.weight.norm(dim=1).clamp_min(SMALLEST_LENGTH), norm

    def criterion(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        """The loss, a scalar, of cosines `[n, K]` and lengths `[n, 1]` at weighted labels `[n, J]`."""
        raise NotImplementedError


class SoftmaxHead(MarginHead):
    """Σ_k weight_k CE(Σ_j weight_j logits(embedding, label_j), label_k) (SynFace, ICCV 2021, Sec. 3.4).

    A head says what its margin does in `with_margin`.
    """

    def with_margin(self, cosine: Tensor, norm: Tensor) -> Tensor:
        """The label's cosine `[n, J]` with the margin, given the embedding's length `[n, 1]`."""
        raise NotImplementedError

    def logits(self, embedding: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scaled logits `[n, K]` of raw embeddings `[n, D]`, with the margin at the label.

        label: int64 `[n]`, or `[n, J]` with `weight` `[n, J]` of sum 1: Σ_j weight_j · logits(embedding, label_j).
        """
        with torch.autocast(embedding.device.type, enabled=False):
            cosine, norm = self.cosines(embedding)
            weight = cosine.new_ones(len(label), 1) if weight is None else weight
            return self.scale * self.mixed(cosine, norm, label.view(len(label), -1), weight)

    def criterion(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        log_probability = F.log_softmax(self.scale * self.mixed(cosine, norm, label, weight), 1)
        return -(weight * log_probability.gather(1, label)).sum(1).mean()

    def mixed(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        """Logits before the scale `[n, K]`: each label's, mixed with the weights."""
        target = cosine.gather(1, label)
        return cosine.scatter_add(1, label, weight * (self.with_margin(target, norm) - target))


def cos_plus_margin(cosine: Tensor, cos_m: Tensor | float, sin_m: Tensor | float) -> Tensor:
    """cos(θ + m) of cos θ, with a finite gradient at ±1, where that of sin θ is infinite."""
    return cosine * cos_m - (1 - cosine.square()).clamp_min(1e-7).sqrt() * sin_m


def build_head(name: str, identities: int, embedding_dim: int, margin: float | None, scale: float) -> MarginHead:
    """The head `name` (a file of recognizer/heads) for `identities` classes, margin None being its published one.

    Raises InputError where there is none of that name.
    """
    head = registry.class_of(registry.load("recognizer.heads", name), MarginHead)
    return head(identities, embedding_dim, head.published_margin if margin is None else margin, scale)

"""Margin heads: cosines to class centers, made harder at the label by a margin, times a scale.

A sample may have several weighted labels (SynFace's two-hot identity mixup, domain mixup): the margin logits of its
labels are mixed with their weights, and so are the cross-entropies. One label of weight 1 is the ordinary loss.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semihard.errors import InputError

SMALLEST_LENGTH = 1e-12  # of a vector that is divided by its length


class MarginHead(nn.Module):
    """Class centers `weight` `[K, D]` (insightface's N(0, 0.01) initialisation), margin m and scale s.

    A head says in `criterion` what it makes of cosines; all is computed in the weight's precision, autocast or not.
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

    A head says what its margin does in `margined`.
    """

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
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
        return cosine.scatter_add(1, label, weight * (self.margined(target, norm) - target))


class CosFace(SoftmaxHead):
    """cos θ − m (Wang et al., CVPR 2018, Eq. 4); m = 0.4 as in the published codes, 0.35 in the paper."""

    published_margin = 0.4

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        return cosine - self.margin


class ArcFace(SoftmaxHead):
    """cos(θ + m) (Deng et al., CVPR 2019, Eq. 3) with its exact gradient.

    Beyond θ = π − m, where cos(θ + m) turns up again, cos θ − m sin m goes on falling, as in the first ArcFace code.
    """

    published_margin = 0.5

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        m = self.margin
        return torch.where(cosine > -math.cos(m), turned(cosine, math.cos(m), math.sin(m)), cosine - m * math.sin(m))


class ArcFaceInsightFace(SoftmaxHead):
    """cos(θ + m) as insightface computes it: the margin in place, without gradient.

    The loss is ArcFace's, the gradient at the label is that of cos θ − const, CosFace's. There is no continuation
    beyond θ = π − m: with this gradient the label's cosine is pulled up everywhere.
    """

    published_margin = 0.5

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        fixed = cosine.detach().clamp(-1, 1)
        return cosine + ((fixed.acos() + self.margin).cos() - fixed)


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

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        norm = norm.detach().clamp(self.eps, 100)
        if self.training:
            self.mean.lerp_(norm.mean().to(self.mean), self.t_alpha)
            self.std.lerp_(norm.std().to(self.std), self.t_alpha)
        k = (self.h * (norm - self.mean) / (self.std + self.eps)).clamp(-1, 1)
        theta = cosine.clamp(-1 + self.eps, 1 - self.eps).acos() - self.margin * k
        return theta.clamp(self.eps, math.pi - self.eps).cos() - self.margin * (1 + k)


class MagFace(SoftmaxHead):
    """cos(θ + m(a)), m linear in the norm a, which is drawn upwards (Meng et al., CVPR 2021, Sec. 3.2 and their code).

    m(a) goes from `margin` at a = 10 to `margin` + 0.35 at a = 110 (published: 0.45 … 0.8), a clipped to that range; the
    loss has λ_g g(a) added, g(a) = a / 110² + 1 / a, λ_g = 35. Both send a gradient through the norm. The range moves
    with `margin` but keeps its width, on which the least λ_g depends. For cos θ ≤ 0 there is no margin, as in the code.
    """

    published_margin = 0.45
    width, lowest, highest, lambda_g = 0.35, 10.0, 110.0, 35.0  # u_m − l_m, l_a, u_a

    def margined(self, cosine: Tensor, norm: Tensor) -> Tensor:
        share = (norm.clamp(self.lowest, self.highest) - self.lowest) / (self.highest - self.lowest)
        m = self.margin + self.width * share
        return torch.where(cosine > 0, turned(cosine, m.cos(), m.sin()), cosine)

    def criterion(self, cosine: Tensor, norm: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        a = norm.clamp(self.lowest, self.highest)
        return super().criterion(cosine, norm, label, weight) + self.lambda_g * (a / self.highest**2 + 1 / a).mean()


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
        bound, margined = turned(target, math.cos(self.margin), math.sin(self.margin)), self.margined(target, norm)
        raised, logits = cosine * (self.t + cosine), torch.zeros_like(cosine)
        for j in range(label.shape[1]):  # what is a hard negative depends on the label
            one = torch.where(cosine > bound[:, j, None], raised, cosine)
            logits = logits + weight[:, j, None] * one.scatter(1, label[:, j, None], margined[:, j, None])
        return logits


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


def turned(cosine: Tensor, cos_m: Tensor | float, sin_m: Tensor | float) -> Tensor:
    """cos(θ + m) of cos θ, with a finite gradient at ±1, where that of sin θ is infinite."""
    return cosine * cos_m - (1 - cosine.square()).clamp_min(1e-7).sqrt() * sin_m


HEADS: dict[str, type[MarginHead]] = {
    "cosface": CosFace,
    "arcface": ArcFace,
    "arcface_insightface": ArcFaceInsightFace,
    "adaface": AdaFace,
    "magface": MagFace,
    "curricularface": CurricularFace,
    "uniface": UniFace,
}
MARGINS: dict[str, float] = {name: head.published_margin for name, head in HEADS.items()}


def build_head(name: str, identities: int, embedding_dim: int, margin: float | None, scale: float) -> MarginHead:
    """The head `name` for `identities` classes, margin None being its published one.

    Raises InputError where there is none of that name.
    """
    if name not in HEADS:
        raise InputError(f"head {name!r} is not known; expected one of {', '.join(HEADS)}")
    return HEADS[name](identities, embedding_dim, MARGINS[name] if margin is None else margin, scale)

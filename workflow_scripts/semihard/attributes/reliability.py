"""How sure a classifier is of a face: its answers under dropout (Terhörst et al., BTAS 2019), 100 passes of it.

    rel = (1 − α)/M Σᵢ xᵢ − α/M² Σᵢ Σⱼ |xᵢ − xⱼ|,  α = ½

of the probabilities x₁ … x_M that M passes with dropout give to the class that is predicted without: centrality minus
dispersion. The masks are drawn once and are the same for every face, so that a face has one reliability wherever it is
met. They are 4 of the trunk times 25 of the branches: a mask of the trunk costs a product of matrices, one of the
branches nearly nothing. A hundred masks of the whole network would
cost 25 times as much; that they order faces alike has not been measured.
"""

import numpy as np
import torch
from torch import nn

from semihard.attributes.network import BRANCH_WIDTH, DROPOUT, AttributeNetwork

TRUNK_MASKS, BRANCH_MASKS = 4, 25
ALPHA = 0.5
SEED = 0
ROWS = 512  # whose hidden layers stay near the processor


def reliability(probability: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """`rel` of probabilities of presence `[…, M]` by M passes, for the class predicted, bool `[…]`: float `[…]`.

    Half of the greatest probability at most (no dispersion), −α/2 at least. The double sum over |xᵢ − xⱼ| is
    2 Σₖ (2k − M − 1) x₍ₖ₎ of the sorted probabilities.
    """
    passes = probability.shape[-1]
    centrality = probability.mean(-1)
    centrality = torch.where(predicted, centrality, 1 - centrality)
    rank = 2 * torch.arange(1, passes + 1, device=probability.device) - passes - 1
    ascending = _sorted(probability)
    dispersion = 2 * (ascending * rank.to(probability.dtype)).sum(-1) / passes**2
    return (1 - ALPHA) * centrality - ALPHA * dispersion


def _sorted(values: torch.Tensor) -> torch.Tensor:
    """Ascending along the last axis; on a CPU by NumPy, ten times as fast as torch."""
    return torch.from_numpy(np.sort(values.numpy(), -1)) if values.device.type == "cpu" else values.sort(-1).values


class Answers(nn.Module):
    """What a network in evaluation mode says of unit embeddings `[n, D]`: logits, and under dropout.

    Its batch norms are folded into the layers behind them, and of every mask only the units that it keeps are computed.
    """

    def __init__(self, network: AttributeNetwork, trunk_masks: int = TRUNK_MASKS, branch_masks: int = BRANCH_MASKS):
        super().__init__()
        layers = network.hidden
        device = network.logits.weight.device
        drawn = torch.Generator().manual_seed(SEED)

        def keep(units: int, masks: int) -> torch.Tensor:
            return (torch.rand(masks, units, generator=drawn) >= DROPOUT).to(device)

        masks = [keep(layers[at].out_features, trunk_masks) for at in (0, 4)]
        branch = keep(BRANCH_WIDTH, branch_masks).T.float() / (1 - DROPOUT)  # [128, masks]
        everything = [torch.ones(layers[at].out_features, dtype=torch.bool, device=device) for at in (0, 4)]
        self.first = layers[0]
        self.whole = self._behind_first(layers, *everything, 1.0)
        self.thinned = [
            self._behind_first(layers, masks[0][k], masks[1][k], 1 / (1 - DROPOUT)) for k in range(trunk_masks)
        ]
        scale, shift = _affine(layers[10])
        weight = network.logits.weight.detach()[:, :, 0]
        scaled, shifted = (part.view(network.attributes, BRANCH_WIDTH) * weight for part in (scale, shift))
        bias = network.logits.bias.detach()[:, None]
        # of the branches' last layer, [A, 128, masks] and [A, masks], without a mask and with each
        self.last = (scaled[:, :, None], shifted.sum(1, keepdim=True) + bias)
        self.last_thinned = (scaled[:, :, None] * branch, shifted @ branch + bias)

    @staticmethod
    def _behind_first(layers: nn.Sequential, before: torch.Tensor, after: torch.Tensor, factor: float) -> tuple:
        """The units of the first layer that are kept, and weight and bias of the two layers behind it."""
        trunk = _behind(layers[2], layers[4], before, factor, after)
        return before.nonzero()[:, 0], trunk, _behind(layers[6], layers[8], after, factor)

    @torch.no_grad()
    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        """Logits of presence without dropout, float32 `[n, A]`: those of the network."""
        return self._through(self.first(unit).relu_(), *self.whole, *self.last)[:, :, 0]

    @torch.no_grad()
    def passes(self, unit: torch.Tensor) -> torch.Tensor:
        """Probabilities of presence by every pass, float32 `[n, A, 100]`."""
        first = self.first(unit).relu_()
        weight, bias = self.last_thinned
        logits = torch.empty(len(unit), len(bias), len(self.thinned), bias.shape[1], device=unit.device)
        for k, thinned in enumerate(self.thinned):
            logits[:, :, k] = self._through(first, *thinned, weight, bias)
        return logits.flatten(2).sigmoid_()

    @staticmethod
    def _through(
        first: torch.Tensor, kept: torch.Tensor, trunk: tuple, branches: tuple, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """Logits `[n, A, masks]` of the first layer's outputs `[n, 512]`."""
        hidden = nn.functional.linear(first if len(kept) == first.shape[1] else first[:, kept], *trunk).relu_()
        hidden = nn.functional.linear(hidden, *branches).relu_().view(len(first), *weight.shape[:2])
        return torch.bmm(hidden.transpose(0, 1), weight).transpose(0, 1) + bias


def _affine(norm: nn.BatchNorm1d) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch norm in evaluation mode as y = scale x + shift."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def _behind(
    norm: nn.BatchNorm1d, layer: nn.Linear, before: torch.Tensor, factor: float, after: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of `layer` for the units that the mask `before` keeps of what `norm` is given, `norm` and the factor
    of dropout taken in; only its outputs that the mask `after` keeps."""
    scale, shift = _affine(norm)
    rows = layer.weight.detach() if after is None else layer.weight.detach()[after]
    bias = layer.bias.detach() if after is None else layer.bias.detach()[after]
    weight = rows[:, before] * factor
    return (weight * scale[before]).contiguous(), bias + weight @ shift[before]

"""How sure a classifier is of a face: its answers under dropout (Terhörst et al., BTAS 2019), 100 passes of it.

    rel = (1 − α)/M Σᵢ xᵢ − α/M² Σᵢ Σⱼ |xᵢ − xⱼ|,  α = ½

of the probabilities x₁ … x_M that M passes with dropout give to the class that is predicted without: centrality minus
dispersion. The masks are drawn once and are the same for every face, so that a face has one reliability wherever it is
met. They are 5 of the trunk times 20 of the branches: a mask of the trunk costs a product of matrices, one of the
branches nearly nothing. A hundred masks of the whole network cost 20 times as much and give the same order of faces
(docs/results.md).
"""

import torch
from torch import nn

from semihard.attributes.network import BRANCH_WIDTH, DROPOUT, AttributeNetwork

TRUNK_MASKS, BRANCH_MASKS = 5, 20
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
    dispersion = 2 * (probability.sort(-1).values * rank.to(probability.dtype)).sum(-1) / passes**2
    return (1 - ALPHA) * centrality - ALPHA * dispersion


class DropoutPasses(nn.Module):
    """Unit embeddings `[n, D]` → probabilities of presence by every pass, float32 `[n, A, 100]`.

    network: in evaluation mode; its batch norms are folded into the layers behind them, and of every mask only the units
    that it keeps are computed.
    """

    def __init__(self, network: AttributeNetwork, trunk_masks: int = TRUNK_MASKS, branch_masks: int = BRANCH_MASKS):
        super().__init__()
        layers = network.hidden
        device = network.logits.weight.device
        drawn = torch.Generator().manual_seed(SEED)

        def keep(units: int, masks: int) -> torch.Tensor:
            return (torch.rand(masks, units, generator=drawn) >= DROPOUT).to(device)

        masks = [keep(layers[at].out_features, trunk_masks) for at in (0, 4)]
        self.first = layers[0]
        self.kept = [masks[0][k].nonzero()[:, 0] for k in range(trunk_masks)]
        self.trunk = [
            _behind(layers[2], layers[4], masks[0][k], masks[1][k]) for k in range(trunk_masks)
        ]  # a layer each
        self.branches = [_behind(layers[6], layers[8], masks[1][k]) for k in range(trunk_masks)]
        scale, shift = _affine(layers[10])
        shape = (network.attributes, BRANCH_WIDTH)
        weight = network.logits.weight[:, :, 0]
        branch = keep(BRANCH_WIDTH, branch_masks).T.float() / (1 - DROPOUT)
        self.weight = scale.view(shape) * weight  # [A, 128]
        self.mask = branch  # [128, masks]
        self.bias = (shift.view(shape) * weight) @ branch + network.logits.bias[:, None]  # [A, masks]

    @torch.no_grad()
    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        first = self.first(unit).relu_()
        attributes, masks = self.bias.shape
        logits = torch.empty(len(unit), attributes, len(self.trunk), masks, device=unit.device)
        for k, (trunk, branches) in enumerate(zip(self.trunk, self.branches, strict=True)):
            hidden = nn.functional.linear(first[:, self.kept[k]], *trunk).relu_()
            hidden = nn.functional.linear(hidden, *branches).relu_().view(len(unit), *self.weight.shape)
            logits[:, :, k] = (hidden.mul_(self.weight).view(-1, BRANCH_WIDTH) @ self.mask).view(
                len(unit), attributes, masks
            ) + self.bias
        return logits.flatten(2).sigmoid_()


def _affine(norm: nn.BatchNorm1d) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch norm in evaluation mode as y = scale x + shift."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def _behind(
    norm: nn.BatchNorm1d, layer: nn.Linear, before: torch.Tensor, after: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of `layer` for the units that the mask `before` keeps of what `norm` is given, `norm` and the factor
    of dropout taken in; only its outputs that the mask `after` keeps."""
    scale, shift = _affine(norm)
    rows = layer.weight.detach() if after is None else layer.weight.detach()[after]
    bias = layer.bias.detach() if after is None else layer.bias.detach()[after]
    weight = rows[:, before] / (1 - DROPOUT)
    return (weight * scale[before]).contiguous(), bias + weight @ shift[before]

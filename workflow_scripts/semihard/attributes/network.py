"""The network of the attribute classifier, and the loss in which both classes of every attribute weigh the same."""

import torch
from torch import nn

WIDTH, BRANCH_WIDTH, DROPOUT = 512, 128, 0.5
WEIGHT_RANGE = (0.1, 10.0)


class AttributeNetwork(nn.Module):
    """Unit embeddings `[n, D]` → logits of presence `[n, A]`: a shared trunk of two layers, a branch per attribute
    (Terhörst et al., MAAD-Face, IEEE TIFS 2021; their code puts a softmax before the cross-entropy, here the loss takes
    logits)."""

    def __init__(self, embedding_dim: int, attributes: int):
        super().__init__()

        def layer(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs), nn.Dropout(DROPOUT)]

        self.hidden = nn.Sequential(
            *layer(embedding_dim, WIDTH), *layer(WIDTH, WIDTH), *layer(WIDTH, attributes * BRANCH_WIDTH)
        )
        self.logits = nn.Conv1d(attributes * BRANCH_WIDTH, attributes, 1, groups=attributes)  # all branches at once

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.hidden[0].in_features

    @property
    def attributes(self) -> int:
        """A."""
        return self.logits.out_channels

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        weight = self.logits.weight[:, :, 0]  # written out: a convolution of one position is slow
        return (self.hidden(unit).unflatten(1, weight.shape) * weight).sum(2) + self.logits.bias

    def keep(self, columns: torch.Tensor) -> "AttributeNetwork":
        """The same network with the branches `columns`, int64 `[k]`, alone."""
        kept = AttributeNetwork(self.embedding_dim, len(columns)).to(self.logits.weight.device)
        rows = (columns[:, None] * BRANCH_WIDTH + torch.arange(BRANCH_WIDTH, device=columns.device)).flatten()
        last = ("hidden.8.", "hidden.10.")
        state = {
            name: value[rows] if name.startswith(last) and value.ndim else value
            for name, value in self.state_dict().items()
        }
        state |= {name: value[columns] for name, value in self.logits.state_dict(prefix="logits.").items()}
        kept.load_state_dict(state)
        return kept.train(self.training)


def class_weights(truth: torch.Tensor) -> torch.Tensor:
    """Weight of each label `[N, A]`: its class counts half of its attribute's defined labels; 0 where undefined.

    truth: 1 present, 0 absent, −1 undefined. Weights are kept within 0.1 … 10.
    """
    defined = (truth >= 0).sum(0)
    present, absent = ((defined / (2 * (truth == side).sum(0))).clamp(*WEIGHT_RANGE) for side in (1, 0))
    return torch.where(truth == 1, present, torch.where(truth == 0, absent, 0.0))

"""Sampled softmax for many identities: in each step a share of the centers takes part (PartialFC, An et al., CVPR 2022).

A step costs the memory and the arithmetic of the centers taken, not of all. Those of the batch's labels are always
among them; the others are drawn uniformly.
"""

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from semihard.recognizer.margin_head import build_head


class SampledHead(nn.Module):
    """A margin head over S of K identities, S = `rate` K or, where that is more, `most_labels`.

    name, margin and scale are those of `build_head`; most_labels is the number of labels of a whole batch. `center` and
    `momentum` `[K, D]` hold all classes; `head.weight` `[S, D]`, which alone is trained, the rows taken for a step:

        take(label, optimizer); loss(...); backward; optimizer.step(); give_back(optimizer)

    The optimizer is SGD. Rows that are not taken keep weight and momentum: neither gradient nor decay reaches them.
    Between steps `state_dict` and the optimizer's are all there is to save.
    """

    def __init__(
        self,
        name: str,
        identities: int,
        embedding_dim: int,
        margin: float | None,
        scale: float,
        rate: float,
        most_labels: int,
    ):
        super().__init__()
        self.most_labels = most_labels
        self.head = build_head(
            name, min(identities, max(math.ceil(rate * identities), most_labels)), embedding_dim, margin, scale
        )
        self.register_buffer("center", torch.empty(identities, embedding_dim).normal_(0, 0.01))
        self.register_buffer("momentum", torch.zeros(identities, embedding_dim))
        self.register_buffer("rows", torch.arange(len(self.head.weight)), persistent=False)

    @property
    def class_centers(self) -> Tensor:
        """The centers of all classes `[K, D]`, not normalised, as of the last `give_back`."""
        return self.center

    @torch.no_grad()
    def take(self, label: Tensor, optimizer: Optimizer) -> None:
        """Choose the rows of this step, int64 `[S]` rising in `rows`, and bring in their weight and momentum.

        label: int64 of any shape, all labels of the batch; where processes share it, of the whole batch, and the same
        in each, as is the state of torch's random numbers. Raises ValueError where they are more than `most_labels`.
        """
        if label.numel() > self.most_labels:
            raise ValueError(f"{label.numel()} labels in a batch, the head was built for {self.most_labels}")
        priority = torch.rand(len(self.center), device=self.center.device)
        priority.index_fill_(0, label.flatten(), 2)
        self.rows.copy_(priority.topk(len(self.rows), sorted=False).indices.sort().values)
        torch.index_select(self.center, 0, self.rows, out=self.head.weight)
        # SGD makes its buffers in its first step, from zero as ours; made before, it would miss those of other weights.
        if (buffer := self._momentum_buffer(optimizer)) is not None:
            torch.index_select(self.momentum, 0, self.rows, out=buffer)

    def loss(self, embedding: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and accuracy among the rows taken, as `MarginHead.loss`; every label was given to `take`."""
        return self.head.loss(embedding, torch.searchsorted(self.rows, label), weight)

    @torch.no_grad()
    def give_back(self, optimizer: Optimizer) -> None:
        """Write weight and momentum of the rows taken back, after the optimizer's step."""
        self.center.index_copy_(0, self.rows, self.head.weight)
        if (buffer := self._momentum_buffer(optimizer)) is not None:
            self.momentum.index_copy_(0, self.rows, buffer)

    def _momentum_buffer(self, optimizer: Optimizer) -> Tensor | None:
        """SGD's buffer `[S, D]`; None before its first step, and without momentum."""
        return optimizer.state[self.head.weight].get("momentum_buffer")

"""Sampled softmax: the whole softmax at rate 1, and below it exactly a training of the rows that were taken."""

import io
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from semihard.recognizer.margin_head import build_head
from semihard.recognizer.partial_fc import SampledHead

K, D, N = 40, 8, 6


def sgd(module: nn.Module, fused: bool = False) -> torch.optim.SGD:
    return torch.optim.SGD(module.parameters(), 0.1, momentum=0.9, weight_decay=5e-3, fused=fused)


def batch(step: int, labels: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    weight = torch.rand(N, labels, generator=generator).softmax(1)
    return torch.randn(N, D, generator=generator) * 9, torch.randint(K, (N, labels), generator=generator), weight


def sampled_step(head: SampledHead, optimizer: torch.optim.Optimizer, step: int) -> float:
    torch.manual_seed(step)
    embedding, label, weight = batch(step)
    head.take(label, optimizer)
    loss, _ = head.loss(embedding, label, weight)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    head.give_back(optimizer)
    return loss.item()


@pytest.mark.parametrize("name", ["cosface", "adaface", "curricularface", "uniface"])
@pytest.mark.parametrize("fused", [False, True])
def test_at_rate_1_it_is_the_plain_head(name, fused):
    plain, head = build_head(name, K, D, None, 16.0), SampledHead(name, K, D, None, 16.0, 1.0, N * 2)
    head.center.copy_(plain.weight.detach())
    ours, theirs = sgd(head, fused), sgd(plain, fused)
    for step in range(5):
        embedding, label, weight = batch(step)
        loss, _ = plain.loss(embedding, label, weight)
        theirs.zero_grad()
        loss.backward()
        theirs.step()
        assert sampled_step(head, ours, step) == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(head.class_centers, plain.class_centers.detach())
    torch.testing.assert_close(head.momentum, theirs.state[plain.weight]["momentum_buffer"])


def test_a_training_is_that_of_the_rows_taken_written_out():
    """Weights and momenta of all classes, only the taken rows' moved: SGD by hand."""
    head = SampledHead("arcface", K, D, None, 16.0, 0.3, N * 2).double()
    centers, momenta = head.center.clone(), torch.zeros(K, D, dtype=torch.float64)
    optimizer = sgd(head)
    seen = torch.zeros(K, dtype=torch.int64)
    for step in range(12):
        before, momentum_before = head.center.clone(), head.momentum.clone()
        loss = sampled_step(head, optimizer, step)
        embedding, label, weight = batch(step)
        rows = head.rows
        seen[rows] += 1
        plain = build_head("arcface", len(rows), D, None, 16.0).double()
        plain.weight.data = centers[rows].clone()
        place = torch.tensor([[rows.tolist().index(k) for k in labels] for labels in label.tolist()])
        expected, _ = plain.loss(embedding, place, weight)
        expected.backward()
        assert loss == pytest.approx(expected.item(), rel=1e-12)
        momenta[rows] = 0.9 * momenta[rows] + plain.weight.grad + 5e-3 * centers[rows]
        centers[rows] -= 0.1 * momenta[rows]
        torch.testing.assert_close(head.center, centers)
        torch.testing.assert_close(head.momentum, momenta)
        others = torch.ones(K, dtype=torch.bool).index_fill_(0, rows, False)
        assert torch.equal(head.center[others], before[others])
        assert torch.equal(head.momentum[others], momentum_before[others])
        assert (head.center[rows] != before[rows]).any(1).all()
    assert len(set(seen.tolist())) > 2  # some rows came back often, with their own momentum


@settings(max_examples=50, deadline=None)
@given(
    identities=st.integers(1, 60),
    rate=st.floats(0.01, 1),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 3)),
    seed=st.integers(0, 99),
)
def test_rows_rise_are_distinct_and_hold_every_label(identities, rate, shape, seed):
    most_labels = shape[0] * shape[1]
    head = SampledHead("cosface", identities, 4, None, 64.0, rate, most_labels)
    torch.manual_seed(seed)
    label = torch.randint(identities, shape)
    head.take(label, sgd(head))
    rows = head.rows.tolist()
    assert len(rows) == min(identities, max(math.ceil(rate * identities), most_labels))
    assert rows == sorted(set(rows)) and set(label.flatten().tolist()) <= set(rows) <= set(range(identities))
    assert torch.equal(head.head.weight.detach(), head.center[head.rows])


def test_other_rows_are_drawn_uniformly():
    head = SampledHead("cosface", 50, 2, None, 64.0, 0.2, 4)
    optimizer, label = sgd(head), torch.tensor([[3, 3], [3, 17]])
    torch.manual_seed(0)
    count = torch.zeros(50)
    for _ in range(3000):
        head.take(label, optimizer)
        count[head.rows] += 1
    assert count[3] == count[17] == 3000
    others = torch.cat([count[:3], count[4:17], count[18:]])
    share = 8 / 48
    assert (others - 3000 * share).abs().max() < 4.5 * math.sqrt(3000 * share * (1 - share))


def test_a_saved_training_goes_on_as_if_undisturbed():
    def made() -> tuple[SampledHead, torch.optim.SGD]:
        head = SampledHead("curricularface", K, D, None, 16.0, 0.3, N * 2)
        return head, sgd(head, fused=True)

    head, optimizer = made()
    for step in range(3):
        sampled_step(head, optimizer, step)
    file = io.BytesIO()
    torch.save({"head": head.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again, again_optimizer = made()
    again.load_state_dict(saved["head"])
    again_optimizer.load_state_dict(saved["optimizer"])
    for step in range(3, 6):
        assert sampled_step(head, optimizer, step) == sampled_step(again, again_optimizer, step)
    for name, value in head.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_backbone_shares_the_fused_optimizer():
    """Its own weights have no momentum yet when the head's are taken for the first step."""
    backbone, head = nn.Linear(D, D), SampledHead("cosface", K, D, None, 16.0, 0.3, N)
    optimizer = sgd(nn.ModuleList([backbone, head]), fused=True)
    before = backbone.weight.detach().clone()
    for step in range(3):
        embedding, label, weight = batch(step, 1)
        head.take(label, optimizer)
        loss, _ = head.loss(backbone(embedding), label, weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        head.give_back(optimizer)
    assert backbone.weight.isfinite().all() and not torch.equal(backbone.weight, before)
    assert torch.equal(head.momentum[head.rows], optimizer.state[head.head.weight]["momentum_buffer"])


def test_without_momentum_weights_alone_move():
    head = SampledHead("cosface", K, D, None, 16.0, 0.3, N * 2)
    before = head.center.clone()
    optimizer = torch.optim.SGD(head.parameters(), 0.1)
    for step in range(2):
        sampled_step(head, optimizer, step)
    assert not head.momentum.any() and not torch.equal(head.center[head.rows], before[head.rows])


def test_what_is_trained_is_the_rows_taken_alone():
    head = SampledHead("cosface", 1000, D, None, 16.0, 0.1, N)
    assert {name: tuple(parameter.shape) for name, parameter in head.named_parameters()} == {"head.weight": (100, D)}
    assert set(head.state_dict()) == {"head.weight", "center", "momentum"}
    assert head.class_centers.shape == (1000, D) and head.center.std().item() == pytest.approx(0.01, rel=0.05)


def test_more_labels_than_the_head_was_built_for_are_refused():
    head = SampledHead("cosface", K, D, None, 16.0, 0.1, N)
    with pytest.raises(ValueError, match="12 labels in a batch, the head was built for 6"):
        head.take(batch(0)[1], sgd(head))

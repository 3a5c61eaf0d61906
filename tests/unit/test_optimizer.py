"""AdamW and Muon on one network: who updates what, the same whatever the layout, and across a checkpoint."""

import copy

import pytest
import torch
from torch import nn

from semihard.generator.float32_muon import Float32Muon
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.optimizer import Optimizer, as_matrix

CPU = torch.device("cpu")


def entry(**given) -> CemiFaceGenerator:
    return CemiFaceGenerator(trained_on="f", embedder="e", network="tiny", **given)


class Small(nn.Module):
    """With the names of the ends of a diffusers U-Net."""

    def __init__(self):
        super().__init__()
        self.conv_in, self.middle = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3)
        self.linear, self.conv_out = nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.conv_out(self.linear(torch.relu(self.middle(torch.relu(self.conv_in(x)))).mean((2, 3))))


def trained(network: nn.Module, optimizer: Optimizer, steps: range) -> dict[str, torch.Tensor]:
    for i in steps:
        torch.manual_seed(i)
        network(torch.randn(4, 3, 9, 9)).square().sum().backward()
        optimizer.step(1 / (1 + i))
        optimizer.zero_grad()
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def small() -> Small:
    torch.manual_seed(0)
    return Small()


def test_without_a_rate_for_muon_it_is_torch_s_adamw():
    settings, a, b = entry(muon_learning_rate=None), small(), small()
    got = trained(a, Optimizer(a, settings, CPU), range(3))
    adamw = torch.optim.AdamW(b.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    for i in range(3):
        torch.manual_seed(i)
        b(torch.randn(4, 3, 9, 9)).square().sum().backward()
        adamw.param_groups[0]["lr"] = settings.learning_rate / (1 + i)
        adamw.step()
        adamw.zero_grad()
    assert all(torch.equal(got[name], value) for name, value in b.state_dict().items())


def test_muon_updates_inner_matrices_and_kernels_orthogonally_and_nothing_else():
    settings = entry(muon_learning_rate=0.05, weight_decay=0)
    network = small()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = Optimizer(network, settings, CPU)
    after = trained(network, optimizer, range(1))
    assert {tuple(m.shape) for group in optimizer.parts["muon"].param_groups for m in group["params"]} == {
        (6, 72),
        (5, 6),
    }
    for name in ("middle.weight", "linear.weight"):
        update = (before[name] - after[name]).flatten(1) / 0.05
        singular = torch.linalg.svdvals(update)
        assert (singular > 0.5).sum() > 1 and singular.max() < 1.4, name  # Newton–Schulz, five steps: near 1, not at it
    for name in before:
        assert not torch.equal(before[name], after[name]), name


def test_muon_in_float32_is_torch_s_but_for_rounding_and_takes_its_state():
    torch.manual_seed(0)
    start = [torch.randn(12, 40), torch.randn(30, 8), torch.randn(9, 9)]
    kinds, moved = (torch.optim.Muon, Float32Muon), []
    for kind in (*kinds, *kinds):
        matrices = [torch.nn.Parameter(value.clone()) for value in start]
        optimizer = kind(matrices, 0.05, weight_decay=0.1)
        for step in range(4):
            torch.manual_seed(step)
            for matrix in matrices:
                matrix.grad = torch.randn_like(matrix)
            if step == 2 and len(moved) >= 2:  # the other one goes on
                state, optimizer = optimizer.state_dict(), kinds[kind is kinds[0]](matrices, 0.05, weight_decay=0.1)
                optimizer.load_state_dict(state)
            optimizer.step()
        moved.append([matrix.detach() - value for matrix, value in zip(matrices, start, strict=True)])
    for other in moved[1:]:
        for a, b in zip(moved[0], other, strict=True):
            torch.testing.assert_close(a, b, atol=4e-3, rtol=0)  # of updates near 0.2


def test_the_layout_of_kernels_does_not_matter():
    settings, a, b = entry(muon_learning_rate=0.02), small(), small().to(memory_format=torch.channels_last)
    first, second = (trained(net, Optimizer(net, settings, CPU), range(3)) for net in (a, b))
    assert all(torch.allclose(first[name], second[name], atol=2e-3) for name in first)  # its own products are bf16
    kernel = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    assert as_matrix(kernel).data_ptr() == kernel.data_ptr()


def test_a_checkpoint_goes_on_to_the_bit():
    settings, whole, halves = entry(muon_learning_rate=0.02), small(), small()
    expected = trained(whole, Optimizer(whole, settings, CPU), range(4))
    optimizer = Optimizer(halves, settings, CPU)
    trained(halves, optimizer, range(2))
    weights, state = copy.deepcopy(halves.state_dict()), copy.deepcopy(optimizer.state_dict())
    fresh = Small()
    fresh.load_state_dict(weights)
    resumed = Optimizer(fresh, settings, CPU)
    resumed.load_state_dict(state)
    got = trained(fresh, resumed, range(2, 4))
    assert all(torch.equal(got[name], expected[name]) for name in expected)


@pytest.mark.parametrize("network", ["tiny", "small_64"])
def test_the_ends_of_a_u_net_are_left_to_adamw(network: str):
    with torch.device("meta"):
        unet = GeneratorSpec("cemiface", network, 64, 1000, 1e-4, 0.02, embedding_dim=16).build()
    optimizer = Optimizer(unet, entry(muon_learning_rate=0.02), CPU)
    sizes = {p.shape for p in optimizer.parts["adamw"].param_groups[0]["params"] if p.ndim > 1}
    ends = {
        p.shape
        for name, p in unet.named_parameters()
        if p.ndim > 1 and ("conv_in" in name or "conv_out" in name or "time_emb" in name)
    }
    assert sizes == ends and len(optimizer.parts["muon"].param_groups[0]["params"]) > 20

"""The denoising network: size, where its conditions enter, and what it refuses."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from semihard.errors import InputError
from semihard.generator.methods.cemiface.network import SimilarityUNet
from semihard.generator.methods.ddpm.method import UnconditionalUNet
from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.network import GroupNorm
from semihard.generator.objective import noise_schedule, one_step_estimate
from semihard.generator.sizes import SIZES, Shape, Size

SCHEDULE = noise_schedule(1000, 1e-4, 0.02)


def randomised(network: SimilarityUNet) -> SimilarityUNet:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return network.eval()


def inputs(n: int, size: int, dim: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    identity = nn.functional.normalize(torch.randn(n, dim))
    return [torch.randn(n, 3, size, size), torch.randint(1000, (n,)), identity, torch.rand(n) * 2 - 1]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def gmac(network: nn.Module, *given: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        network(*given)
    return counter.get_total_flops() / 2e9


def test_unconditional_network_has_the_published_size_and_cost():
    """Guided diffusion's U-Net of that shape: 93.6 M and 38.4 GMAC, but for the three output channels no loss sees."""
    with torch.device("meta"):
        network = UnconditionalUNet("dcface_112", 112, SCHEDULE)
        x_t, t = torch.zeros(1, 3, 112, 112), torch.zeros(1, dtype=torch.long)
    unseen = 3 * (128 * 9 + 1)
    assert parameters(network) + unseen == 93_563_910
    assert parameters(network) + unseen == pytest.approx(93.6e6, rel=1e-3)
    assert gmac(network, x_t, t) + 3 * 128 * 9 * 112**2 / 1e9 == pytest.approx(38.4, abs=0.05)


def test_conditions_add_one_token_to_the_published_network():
    """The rest is F1, F2 and the added keys and values."""
    with torch.device("meta"):
        network = SimilarityUNet("dcface_112", 112, SCHEDULE, 512)
        plain = UnconditionalUNet("dcface_112", 112, SCHEDULE)
        given = [value.to("meta") for value in inputs(1, 112, 512)]
    added = [
        module for name, module in network.named_modules() if name.endswith(("add_k_proj", "add_v_proj", "F1", "F2"))
    ]
    assert len(added) == 2 * 4 + 2  # attention in: the 7 × 7 level, the middle, and twice in the mirror of that level
    assert parameters(network) == parameters(plain) + sum(map(parameters, added)) == 96_187_523
    assert gmac(network, *given) == pytest.approx(gmac(plain, *given[:2]), abs=0.01)


@pytest.mark.parametrize("shape", [(3, 16, 6, 5), (3, 16, 7)])
def test_group_norm_written_out_is_group_norm(monkeypatch, shape):
    torch.manual_seed(0)
    norm = GroupNorm(4, 16)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = (3 * torch.randn(shape) + 2).requires_grad_()
    expected = norm(x)
    slope = torch.autograd.grad(expected.pow(3).sum(), [x, norm.weight, norm.bias])
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    found = norm(x)
    assert torch.allclose(found, expected, atol=1e-5)
    for a, b in zip(slope, torch.autograd.grad(found.pow(3).sum(), [x, norm.weight, norm.bias]), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


def test_dcface_network_keeps_seven_pixels_below_its_fifth_level():
    with torch.device("meta"):
        network = SimilarityUNet("dcface_112", 112, SCHEDULE, 512)
        sides = []
        for block in network.unet.down_blocks:
            block.register_forward_hook(lambda module, given, made: sides.append(made[0].shape[-1]))
        x_t, t, identity, m = (value.to("meta") for value in inputs(2, 112, 512))
        assert network(x_t, t, identity, m).shape == (2, 3, 112, 112)
    assert sides == [56, 28, 14, 7, 7, 7]


@pytest.mark.parametrize("size", [16, 32, 64, 112])
def test_tiny_network_keeps_the_shape(size: int):
    network = SimilarityUNet("tiny", size, SCHEDULE, 8)
    assert network(*inputs(2, size, 8)).shape == (2, 3, size, size)
    assert 1.4e6 < parameters(network) < 1.8e6


@pytest.mark.parametrize("network", ["tiny", "small_64", "dcface_112"])
@pytest.mark.parametrize("size", [8, 12, 16, 24, 30, 56, 64, 72, 80, 100, 112])
def test_the_configuration_refuses_what_the_network_would(network: str, size: int):
    with torch.device("meta"):
        try:
            UnconditionalUNet(network, size, SCHEDULE)
            fits = True
        except InputError:
            fits = False
    if fits:
        UnconditionalGenerator(method="ddpm", trained_on="f", network=network, image_size=size)
    else:
        with pytest.raises(ValidationError, match=f"image_size {size}: {network} takes multiples of"):
            UnconditionalGenerator(method="ddpm", trained_on="f", network=network, image_size=size)


def test_refuses_a_size_it_cannot_halve():
    with pytest.raises(InputError, match="multiples of 8 pixels"):
        SimilarityUNet("tiny", 30, SCHEDULE, 8)


@pytest.mark.parametrize("network", ["tiny", "small_64"])
def test_starts_with_an_estimate_of_zero(network: str):
    """Where the output is the image: x̂0 = 0 at any t, as one_step_estimate finds it from ε′."""
    network = SimilarityUNet(network, 16, SCHEDULE, 8)
    x_t, _, identity, m = inputs(3, 16, 8)
    t = torch.tensor([0, 500, 999])
    eps = network(x_t, t, identity, m)
    assert one_step_estimate(x_t, eps, SCHEDULE.alphas_cumprod[t]).abs().max() < 1e-4


def test_the_paper_s_network_starts_with_a_noise_of_zero():
    network = SimilarityUNet("dcface_112", 16, SCHEDULE, 8)
    assert not network(*inputs(2, 16, 8)).any()


def test_the_image_put_out_comes_back_from_the_noise_predicted():
    """ε′ and one_step_estimate are each other's inverse, at the greatest noise too: x̂0 is what the U-Net put out."""
    network = randomised(SimilarityUNet("tiny", 16, SCHEDULE, 8))
    x_t, _, identity, m = inputs(4, 16, 8)
    t, output = torch.tensor([0, 300, 700, 999]), []
    network.unet.register_forward_hook(lambda module, given, made: output.append(made.sample))
    eps = network(x_t, t, identity, m)
    found = one_step_estimate(x_t, eps, SCHEDULE.alphas_cumprod[t])
    wanted = torch.nn.functional.pixel_shuffle(output[0], network.fold).clamp(-1, 1)
    assert torch.allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("which", [0, 1, 2, 3], ids=["x_t", "t", "identity", "m"])
def test_every_input_matters_to_its_own_sample_alone(which: int):
    network = randomised(SimilarityUNet("tiny", 16, SCHEDULE, 8))
    before = inputs(2, 16, 8)
    after = [value.clone() for value in before]
    after[which][0] = inputs(4, 16, 8)[which][3]
    with torch.no_grad():
        moved = (network(*before) - network(*after)).abs().amax((1, 2, 3))
    assert moved[0] > 1e-5
    assert moved[1] < 1e-6


def test_identity_and_similarity_enter_by_the_added_keys_and_values_only(monkeypatch):
    """Of the papers' network, here with the channels of "tiny", which alone has another way in."""
    shape = Shape((64, 96, 128), attention=(1, 2), head_dim=32)
    monkeypatch.setitem(SIZES, "tiny", Size(shape, ""))
    network = randomised(SimilarityUNet("tiny", 16, SCHEDULE, 8))
    x_t, t, identity, m = inputs(3, 16, 8)
    with torch.no_grad():
        assert not torch.equal(network(x_t, t, identity, m), network(x_t, t, identity.flip(0), -m))
        for name, parameter in network.named_parameters():
            if "add_k_proj" in name or "add_v_proj" in name:
                nn.init.zeros_(parameter)
        assert torch.equal(network(x_t, t, identity, m), network(x_t, t, identity.flip(0), -m))
    assert SIZES["dcface_112"].shape.added is False and SIZES["dcface_112"].shape.tokens == 1


@pytest.mark.parametrize(("network", "size", "most"), [("tiny", 32, 80e6), ("small_64", 64, 8e9)])
def test_the_small_networks_take_no_more_than_they_are_said_to(network: str, size: int, most: float):
    """Multiply-accumulates of a forward pass at the size that is theirs."""
    made = SimilarityUNet(network, size, SCHEDULE, 128)
    with FlopCounterMode(display=False) as counter:
        made(*inputs(1, size, 128))
    assert 0.3 * most < counter.get_total_flops() / 2 <= most

"""What a training is said to take: against counts by hand, and what is refused."""

import logging

import pytest
import torch

from semihard.compute.progress import duration
from semihard.errors import InputError
from semihard.generator import cost as costs
from semihard.generator.cost import COUNTED_BATCH, IN_FLIGHT, Cost, check_cost, training_cost
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.methods.dcface.settings import DCFaceGenerator
from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.sizes import SIZES
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec
from semihard.similarity.embedders import Embedder

CPU = torch.device("cpu")


def guide(side: int = 32) -> Embedder:
    return Embedder(build_backbone("tiny", (side, side), 128), EmbedderSpec("tiny", (side, side), 128))


def spec_of(network: str, size: int, method: str = "cemiface") -> GeneratorSpec:
    more = {"cemiface": {"embedding_dim": 128}, "dcface": {"embedding_dim": 128, "style_grid": 3, "style_channels": 16}}
    schedule = {"timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
    known = {"method": method, "network": network, "image_size": size}
    return GeneratorSpec.of(known | schedule | more.get(method, {}))


def entry(network: str, **given) -> CemiFaceGenerator:
    return CemiFaceGenerator(trained_on="f", embedder="e", network=network, **given)


@pytest.mark.parametrize(("network", "mmac"), [("tiny", 80), ("small_64", 8000)])
def test_the_small_networks_are_as_small_as_they_are_said_to_be(network: str, mmac: float):
    """Three forward passes, a little more where attention is worked out anew; the guide is added."""
    settings = entry(network)
    alone = training_cost(settings, spec_of(network, settings.image_size), None, half=False)
    assert 0.9 * 6 * mmac * 1e6 * (1 if network == "tiny" else 0.35) < alone.flops < 6.6 * mmac * 1e6
    guided = training_cost(settings, spec_of(network, settings.image_size), guide(), half=False)
    assert guided.flops > alone.flops and guided.per_image > alone.per_image and guided.fixed > alone.fixed


def test_a_batch_of_small_64_fits_a_gpu_of_12_gb_in_bf16():
    settings = entry("small_64")
    assert settings.batch == 256
    mobile = Embedder(build_backbone("mobilefacenet", (112, 112), 128), EmbedderSpec("mobilefacenet", (112, 112), 128))
    assert training_cost(settings, spec_of("small_64", 64), mobile, half=True).needed(256) < 11.5e9


def test_weights_count_five_times_and_half_precision_keeps_a_copy():
    network = spec_of("tiny", 32).build()
    weights = sum(parameter.numel() for parameter in network.parameters())
    whole, half = (training_cost(entry("tiny"), spec_of("tiny", 32), None, half=half) for half in (False, True))
    assert whole.fixed == 20 * weights and half.fixed == 22 * weights
    assert half.per_image < whole.per_image
    assert whole.needed(10) == int(IN_FLIGHT * (whole.fixed + 10 * whole.per_image)) and COUNTED_BATCH == 2


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("method", ["ddpm", "dcface"])
def test_every_method_is_counted(method: str, half: bool):
    common = {"trained_on": "f", "network": "tiny", "method": method}
    settings = UnconditionalGenerator(**common) if method == "ddpm" else DCFaceGenerator(**common, embedder="e")
    found = training_cost(settings, spec_of("tiny", 32, method), None if method == "ddpm" else guide(), half)
    assert found.flops > 2e8 and found.per_image > 1e5


def test_a_batch_that_does_not_fit_names_the_accumulation_that_would(monkeypatch):
    monkeypatch.setattr(costs, "free_memory", lambda device: (10e9, "this machine"))
    each = Cost(fixed=int(1e9), per_image=int(1e9 / IN_FLIGHT), flops=1)
    with pytest.raises(
        InputError, match=r"a batch of 64 .* needs about 65\.\d GB .* 10\.0 GB free; set `accumulation` to 8$"
    ):
        check_cost(entry("tiny", batch=64), each, 100, CPU)
    guided = entry("tiny", batch=64, guide_every=16)
    with pytest.raises(InputError, match="set `accumulation` to 4$"):
        check_cost(guided, Cost(fixed=0, per_image=int(0.5e9), flops=10**9), 100, CPU)
    with pytest.raises(
        InputError, match="no `accumulation` of this batch would do"
    ):  # 8 would, but 16 does not divide 8
        check_cost(guided, each, 100, CPU)
    with pytest.raises(InputError, match="no `accumulation` of this batch would do: take another batch, a smaller"):
        check_cost(entry("tiny", batch=64), Cost(int(9e9), int(2e9), 1), 100, CPU)
    check_cost(entry("tiny", batch=64, accumulation=8), each, 100, CPU)


def test_steps_memory_and_time_are_said(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(costs, "matmul_speed", lambda device, precision: 1e9)
    check_cost(entry("tiny", epochs=2, batch=64), Cost(0, 0, int(6e8)), 100, CPU)
    assert "100 steps of 64 images, about 0.0 GB beside the images decoded, 0.60 GFLOP an image" in caplog.text
    assert duration(3200 * 2 * 6e8 / (costs.SHARE["cpu"] * 1e9)) in caplog.text
    assert [duration(s) for s in (12, 600, 36000)] == ["12 s", "10 min", "10.0 h"]


def test_a_network_is_a_recipe_and_any_value_of_it_can_be_changed():
    for network, size in SIZES.items():
        settings = entry(network)
        assert {key: getattr(settings, key) for key in size.recipe} == size.recipe
    assert entry("tiny", batch=16).batch == 16 and entry("tiny", batch=16).learning_rate == entry("tiny").learning_rate
    paper = entry("dcface_112")
    assert (paper.mse_target, paper.weight_cap, paper.gamma, paper.batch, paper.image_size) == (
        "epsilon",
        None,
        "linear",
        160,
        112,
    )
    again = CemiFaceGenerator(**entry("tiny", batch=16).model_dump(mode="json"))
    assert again == entry("tiny", batch=16)  # what a job is given is what was configured
    assert UnconditionalGenerator(trained_on="f", method="ddpm", network="tiny").batch == entry("tiny").batch

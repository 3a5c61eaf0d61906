"""What a job asks for follows from its entry, within the profile's limits."""

import math

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from semihard.generator.file_entry import FileGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.settings import BACKBONES
from semihard.workflow.configuration import check
from semihard.workflow.job_needs import (
    GENERATORS,
    GPU_SPEED,
    LEAST_MINUTES,
    Limits,
    generator_gmac,
    images_of,
    network_gmac,
    side_of,
    synthesis_minutes,
    training_memory,
    training_minutes,
)
from tests.unit.test_project import ROOT


@pytest.fixture(scope="module")
def config():
    """CemiFace's study."""
    return check(yaml.safe_load((ROOT / "configs/cemiface.yaml").read_text()))


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "timm"])
def test_operations_of_a_backbone(name):
    with torch.device("meta"):
        network = build_backbone(name, (side_of(name),) * 2, 512).eval()
        image = torch.empty(1, 3, side_of(name), side_of(name))
    with FlopCounterMode(display=False) as counter:
        network(image)
    assert 0.9 < network_gmac(name) / (counter.get_total_flops() / 2e9) < 1.6


@pytest.mark.parametrize("name", GENERATORS)
def test_operations_of_a_denoiser(name):
    gmac, side = GENERATORS[name]
    spec = GeneratorSpec("ddpm", name, side, timesteps=1000, beta_start=1e-4, beta_end=0.02)
    with torch.device("meta"):
        network = spec.build().eval()
        image, times = torch.empty(1, 3, side, side), torch.empty(1, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        network(image, times)
    assert 0.7 < gmac / (counter.get_total_flops() / 2e9) < 1.4


def test_time_grows_with_images_and_falls_with_processes(config):
    def minutes(**changed):
        entry = config.recognizers["irse50_cosface"].model_copy(update=changed)
        changed_config = config.model_copy(update={"recognizers": config.recognizers | {"irse50_cosface": entry}})
        return training_minutes(changed_config, "recognizers", "irse50_cosface", "casia", GPU_SPEED)

    assert 600 < minutes() < 2880
    assert minutes(epochs=80) == pytest.approx(2 * minutes(epochs=40), rel=0.01)
    assert minutes(processes=4) == pytest.approx(minutes() / 4, rel=0.01)
    assert minutes(epochs=1, milestones=(), image_size=16) == LEAST_MINUTES


def test_memory_is_of_processes_and_of_images_held(config):
    entry = config.recognizers["irse50_cosface"]
    few, many = training_memory(entry, 10_000), training_memory(entry, 10**7)
    assert few - training_memory(entry, 0) == math.ceil(10_000 * 3 * 112 * 112 / 1e6)
    assert many == training_memory(entry, 10**8)  # what is more is mapped from a file
    assert training_memory(entry.model_copy(update={"processes": 4}), 0) == 4 * training_memory(entry, 0)


def test_a_shard_takes_its_share(config):
    name = "cemi_m0"
    entry = config.facesets[name]

    def minutes(**changed):
        sets = config.facesets | {name: entry.model_copy(update=changed)}
        return synthesis_minutes(config.model_copy(update={"facesets": sets}), name, GPU_SPEED)

    whole = minutes(shards=1)
    assert whole > 2 * LEAST_MINUTES and minutes(shards=2) == pytest.approx(whole / 2, abs=1)
    assert minutes(shards=10**6) == LEAST_MINUTES
    assert images_of(config, name) == entry.identities * (entry.per_identity + entry.inquiry_copies)


def test_a_generator_that_comes_as_a_file_is_taken_for_a_large_one():
    entry = FileGenerator(source="file", method="ddpm", path="unet.safetensors")
    assert generator_gmac(entry) == (GENERATORS["dcface_112"][0], 1)


def test_limits():
    limits = Limits.of({"most_threads": 8, "most_gpu": 4, "runtime": 60, "tmpdir": "/tmp"})
    assert limits.within("threads", 16) == 8 and limits.within("threads", 2.1) == 3
    assert limits.within("mem_mb", 10**9) == 10**9  # no limit was given
    assert [limits.nodes(processes) for processes in (1, 4, 6, 8, 16)] == [1, 1, 2, 2, 4]
    assert Limits.of(None).nodes(64) == 1 and Limits(gpu=0).nodes(8) == 1
    assert Limits(gpu=0, threads=8).speed() < Limits().speed()

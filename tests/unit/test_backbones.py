"""Networks: the published sizes, insightface's names, any input size, and the model file around them."""

import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, load_class_centers, load_model, load_weights, save_model
from semihard.storage.provenance import Provenance


# Millions of parameters and 10⁹ multiply-accumulates of convolutions and linear layers for one image: insightface's,
# AdaFace's and facenet-pytorch's own networks (the last without classifier), counted with the same counter; ir_se_101: those
# of ir_101 and, for every block of width C, C² / 8 of squeeze and excitation;
# MobileFaceNet's paper: 0.99 M at 128-d with its own head.
@pytest.mark.parametrize(
    ("name", "size", "dimensions", "millions", "gmac"),
    [
        ("iresnet18", 112, 512, 24.026, 2.61),
        ("iresnet34", 112, 512, 34.139, 4.46),
        ("iresnet50", 112, 512, 43.591, 6.31),
        ("iresnet100", 112, 512, 65.156, 12.09),
        ("iresnet200", 112, 512, 118.834, 23.42),
        ("ir_18", 112, 512, 24.020, 2.60),
        ("ir_50", 112, 512, 43.586, 6.30),
        ("ir_101", 112, 512, 65.151, 12.08),
        ("ir_se_50", 112, 512, 43.808, 6.30),
        ("ir_se_101", 112, 512, 65.523, 12.08),
        ("inception_resnet_v1", 160, 512, 23.483, 1.42),
        ("inception_resnet_v1", 112, 512, 23.483, 0.59),
        ("mbf", 112, 512, 2.060, 0.44),
        ("mbf_large", 112, 512, 6.315, 1.82),
        ("mobilefacenet", 112, 512, 1.201, 0.22),
        ("mobilefacenet", 112, 128, 1.003, 0.22),
        ("tiny", 32, 128, 0.374, 0.01),
        ("tiny", 64, 128, 0.571, 0.04),
    ],
)
def test_size_and_work(name, size, dimensions, millions, gmac):
    with torch.device("meta"):
        network = build_backbone(name, (size, size), dimensions).eval()
        x = torch.empty(1, 3, size, size)
    with FlopCounterMode(display=False) as counter:
        network(x)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 3) == millions
    assert round(counter.get_total_flops() / 2e9, 2) == gmac


@pytest.mark.parametrize("name", ["iresnet18", "ir_18", "ir_se_50", "mobilefacenet", "mbf", "mbf_large", "tiny"])
@pytest.mark.parametrize("size", [(32, 32), (56, 56), (112, 96), (50, 33)])
def test_any_input_size_and_embedding(name, size):
    with torch.device("meta"):
        network = build_backbone(name, size, 24).eval()
        assert network(torch.zeros(2, 3, *size)).shape == (2, 24)


@pytest.mark.parametrize("name", ["ir_18", "ir_se_50", "mbf", "mbf_large", "mobilefacenet", "tiny"])
def test_memory_layout_changes_no_feature(name):
    torch.manual_seed(0)
    network, x = build_backbone(name, (32, 24), 24).eval(), torch.randn(2, 3, 32, 24)
    with torch.inference_mode():
        expected = network(x)
        found = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_adaface_variant_pools_its_skips_and_has_no_last_scale():
    torch.manual_seed(0)
    network = build_backbone("ir_18", (32, 32), 8)
    assert "layer1.0.downsample.0.weight" not in network.state_dict()  # 64 channels before and after
    assert "layer2.0.downsample.0.weight" in network.state_dict()
    x = torch.randn(2, 64, 5, 5)
    assert torch.equal(network.layer1[0].downsample(x), x[:, :, ::2, ::2])
    assert network.features.weight is None and network.dropout.p == 0.4
    weight = network.layer3[1].conv2.weight  # Kaiming, fan out: 2 / (256 · 9)
    assert float(weight.detach().std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)


def test_iresnet_has_insightface_names_and_a_frozen_last_scale():
    network = build_backbone("iresnet18", (112, 112), 512)
    names = set(network.state_dict())
    block = [f"bn1.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]
    block += ["conv1.weight", "bn2.weight", "prelu.weight", "conv2.weight", "bn3.weight"]
    assert {f"layer{stage}.{i}.{n}" for stage in range(1, 5) for i in (0, 1) for n in block} <= names
    assert {
        "conv1.weight",
        "bn1.weight",
        "prelu.weight",
        "layer1.0.downsample.0.weight",
        "layer4.0.downsample.1.bias",
    } <= names
    assert {"bn2.weight", "fc.weight", "fc.bias", "features.weight", "features.running_var"} <= names
    assert not network.features.weight.requires_grad and network.features.bias.requires_grad
    assert network.fc.in_features == 25088


def test_unknown_backbone_and_impossible_embedding_are_refused():
    with pytest.raises(InputError, match="'resnet50' is not known; expected one of inception_resnet_v1, iresnet18"):
        build_backbone("resnet50", (112, 112), 512)
    with pytest.raises(InputError, match="has 512 features, not 128"):
        build_backbone("inception_resnet_v1", (160, 160), 128)


def trained(spec: EmbedderSpec) -> torch.nn.Module:
    """A network whose running statistics are not the initial ones."""
    torch.manual_seed(0)
    network = build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options)
    network(torch.randn(8, 3, *spec.image_size))
    return network


SPECS = [
    EmbedderSpec("tiny", (32, 32), 16, colour="bgr", mean=0.0, scale=255.0),
    EmbedderSpec(
        "mobilefacenet", (32, 24), 16, {"blocks": ((2, 8, 1, 2), (2, 16, 2, 2)), "width": 32}, crop_from=(32, 32)
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.backbone)
def test_model_file_gives_back_what_was_saved(tmp_path, spec):
    network, centers, names = trained(spec), torch.randn(3, 16), ["Ångström", "b", "c"]
    for file in ("a", "b"):
        save_model(tmp_path / file, network, spec, centers, names, Provenance("train_recognizer", {"x": 1}, "code", 3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded, found = load_model(tmp_path / "a")
    assert found.image_size == spec.image_size and found.crop_from == spec.crop_from
    assert (found.colour, found.mean, found.scale) == (spec.colour, spec.mean, spec.scale)
    x = torch.randn(2, 3, *spec.image_size)
    assert torch.equal(loaded.eval()(x), network.eval()(x))
    weight, found_names = load_class_centers(tmp_path / "a")
    assert torch.equal(weight, centers) and found_names == names
    with safe_open(tmp_path / "a", "pt") as file:
        about = json.loads(file.metadata()["semihard"])
    assert about["provenance"]["rule"] == "train_recognizer" and about["provenance"]["seed"] == 3


def test_a_model_without_head_has_no_class_centers(tmp_path):
    save_model(tmp_path / "m", trained(SPECS[0]), SPECS[0])
    with pytest.raises(InputError, match="has no class weights; use mean centers"):
        load_class_centers(tmp_path / "m")


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(InputError, match="not found"):
        load_model(tmp_path / "absent")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_model(tmp_path / "pickle")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(InputError, match="no model file of this workflow"):
        load_model(tmp_path / "foreign")
    about = {"kind": "generator", "spec": {"method": "ddpm"}}
    save_file({"a": torch.zeros(1)}, tmp_path / "generator", {"semihard": json.dumps(about)})
    for load in (load_model, load_class_centers):
        with pytest.raises(InputError, match="is a generator, not a recognition network"):
            load(tmp_path / "generator")
    save_model(tmp_path / "whole", trained(SPECS[0]), SPECS[0])
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-100])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_model(tmp_path / "cut")


def test_the_first_wrong_tensor_is_named():
    network = build_backbone("tiny", (32, 32), 16)
    good = network.state_dict()
    load_weights(
        network, {n: v for n, v in good.items() if "num_batches" not in n}, "w.pt"
    )  # old files have no counters
    cases = {
        "'fc.weight' is \\[16, 5\\], IResNet has \\[16, 512\\]": good | {"fc.weight": torch.zeros(16, 5)},
        "'bn1.bias' is missing, IResNet has \\[16\\]": {n: v for n, v in good.items() if n != "bn1.bias"},
        "'extra' is \\[2\\], IResNet has no such tensor": good | {"extra": torch.zeros(2)},
    }
    for message, weights in cases.items():
        with pytest.raises(InputError, match=message):
            load_weights(network, weights, "w.pt")

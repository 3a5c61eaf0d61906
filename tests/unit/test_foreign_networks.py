"""Networks from elsewhere and to elsewhere: ONNX in and out, timm."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from semihard.compute.tensors import to_float
from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.export_recognizer import export_recognizer
from semihard.recognizer.model_file import EmbedderSpec, load_model, save_model
from semihard.recognizer.onnx_file import onnx_bytes
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.import_embedder import import_embedder
from semihard.similarity.settings import OnnxEmbedder, TimmEmbedder
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.provenance import Provenance
from semihard.workflow.configuration import expand_sweeps

PIXELS = torch.randint(0, 256, (5, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CROPPED = EmbedderSpec(
    "tiny", (32, 24), 16, crop_from=(32, 32), colour="bgr", mean=(90.0, 100.0, 110.0), scale=(50.0, 60.0, 70.0)
)
GIVEN = {"colour": "rgb", "mean": 127.5, "scale": 127.5}


def trained(spec: EmbedderSpec) -> torch.nn.Module:
    torch.manual_seed(1)
    network = build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options)
    network(torch.randn(8, 3, *spec.image_size))  # running statistics of its own
    return network.eval()


def graph(path: Path, inputs: dict[str, list], shape: list | None = None, permute: bool = False) -> Path:
    """A public-layout file: the mean of each channel over an image's pixels, three numbers."""
    axes = numpy_helper.from_array(np.array([1, 2] if permute else [2, 3], np.int64), "axes")
    first, output = next(iter(inputs)), helper.make_tensor_value_info("mean", TensorProto.FLOAT, shape or ["n", 3])
    nodes = [helper.make_node("ReduceMean", [first, "axes"], ["mean"], keepdims=0)]
    if len(inputs) > 1:
        nodes += [helper.make_node("Identity", [name], [f"{name}_too"]) for name in list(inputs)[1:]]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in inputs.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", infos, [output], [axes]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    onnx.save(model, path)
    return path


def imported(tmp_path: Path, path: Path, **given: object) -> Embedder:
    output = tmp_path / "model.safetensors"
    import_embedder(OnnxEmbedder(source="onnx", path=str(path), **given), output, Provenance("import_embedder"))
    return load_embedder(output)


@pytest.mark.parametrize(
    "spec",
    [
        CROPPED,
        EmbedderSpec("mbf", (112, 112), 64),
        EmbedderSpec("ir_se_50", (32, 32), 32),
        EmbedderSpec("inception_resnet_v1", (80, 80), 512, scale=128.0),
        EmbedderSpec("timm", (32, 32), 16, {"model": "vit_tiny_patch16_224"}),
    ],
    ids=lambda spec: spec.options.get("model", spec.backbone),
)
def test_a_network_leaves_as_onnx_and_comes_back(tmp_path, spec):
    network = trained(spec)
    data, cosine = onnx_bytes(network, spec, "cc0-1.0")
    assert cosine >= 0.9999 and b"site-packages" not in data and b"workflow_scripts" not in data
    (tmp_path / "m.onnx").write_bytes(data)
    found = imported(tmp_path, tmp_path / "m.onnx")
    same = ("image_size", "crop_from", "colour", "mean", "scale", "embedding_dim")
    assert [getattr(found.spec, name) for name in same] == [getattr(spec, name) for name in same]
    expected = Embedder(network, spec)
    with torch.no_grad():
        cosines = torch.nn.functional.cosine_similarity(found(to_float(PIXELS)), expected(to_float(PIXELS)))
    assert cosines.min() > 0.9999
    assert torch.nn.functional.cosine_similarity(found.embed(PIXELS), expected.embed(PIXELS)).min() > 0.999  # bf16


def test_a_recognizer_is_given_away_with_its_card(tmp_path):
    """What the card's ten lines compute is the network's embedding."""
    network = trained(CROPPED)
    origin = Provenance("train_recognizer", {"recipe": "tiny", "trained_on": "real"})
    save_model(tmp_path / "m.safetensors", network, CROPPED, torch.randn(2, 16), ["Ann", "Bob"], provenance=origin)
    folds = np.array([0.9, 0.8])
    values = {"distance": np.zeros(2), "same": np.ones(2, bool), "fold": np.arange(2, dtype=np.int32)}
    write_artifact(tmp_path / "v.h5", schemas.VERIFICATION, values | {"accuracy": folds, "threshold": folds})
    folder = tmp_path / "given"
    export_recognizer(
        "tiny trained on real", "cc-by-nc-4.0", tmp_path / "m.safetensors", folder, None, {"lfw": tmp_path / "v.h5"}
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (
        card.startswith("---\nlicense: cc-by-nc-4.0\n")
        and "| lfw | 85.00 | 5.00 |" in card
        and "| `recipe` | tiny |" in card
    )
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert b"Bob" not in (folder / "model.safetensors").read_bytes()
    assert load_model(folder / "model.safetensors")[1] == CROPPED
    Image.fromarray(PIXELS[0].permute(1, 2, 0).numpy()[:32, :32]).save(folder / "face.png")
    lines = card.split("```python\n")[1].split("```")[0].replace('"face.png"', repr(str(folder / "face.png")))
    scope: dict = {}
    exec(lines.replace('"model.onnx"', repr(str(folder / "model.onnx"))), scope)
    with torch.no_grad():
        expected = Embedder(network, CROPPED)(to_float(PIXELS[:1, :, :32, :32]))
    assert torch.nn.functional.cosine_similarity(torch.from_numpy(scope["embedding"]), expected).item() > 0.9999
    with pytest.raises(InputError, match="given"):
        export_recognizer("again", "cc0-1.0", tmp_path / "m.safetensors", folder)


def test_the_files_metadata_say_how_pixels_are_prepared(tmp_path):
    data, _ = onnx_bytes(trained(CROPPED), CROPPED)
    session = onnxruntime.InferenceSession(data)
    stated = json.loads(session.get_modelmeta().custom_metadata_map["semihard"])["spec"]
    assert stated == json.loads(json.dumps(asdict(CROPPED)))
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(InputError, match="says colour bgr, the entry rgb; leave the key out"):
        imported(tmp_path, tmp_path / "m.onnx", colour="rgb")


def test_graphs_of_any_shape(tmp_path):
    """Dynamic and fixed batches, dynamic sides, the channels last, one value for all channels or one for each."""
    expected = PIXELS.float().mean((2, 3))
    free = graph(tmp_path / "free.onnx", {"x": ["n", 3, "h", "w"]})
    found = imported(tmp_path, free, image_size=(40, 40), colour="bgr", mean=(10.0, 20.0, 30.0), scale=2.0)
    plain = (expected.flip(1) - torch.tensor([10.0, 20.0, 30.0])) / 2
    assert found.embedding_dim == 3 and torch.allclose(found.embed(PIXELS, flip=False), plain, atol=1e-3)
    for name, shape in {"one": [1, 3, 40, 40], "two": [2, 3, 40, 40]}.items():  # five images, two at a time
        fixed = graph(tmp_path / f"{name}.onnx", {"x": shape}, [shape[0], 3])
        found = imported(tmp_path, fixed, **GIVEN)
        assert found.spec.image_size == (40, 40)  # as the file says
        assert torch.allclose(found.embed(PIXELS, flip=False), (expected - 127.5) / 127.5, atol=1e-4)
    last = graph(tmp_path / "last.onnx", {"x": ["n", 40, 40, 3]}, permute=True)
    found = imported(tmp_path, last, axes="nhwc", **GIVEN)
    assert torch.allclose(found.embed(PIXELS, flip=False), (expected - 127.5) / 127.5, atol=1e-4)
    assert torch.equal(found.embed(PIXELS[:0]), torch.empty(0, 3))


def test_onnx_files_that_cannot_be_used(tmp_path):
    fine = graph(tmp_path / "fine.onnx", {"x": ["n", 3, 40, 40]})
    last = graph(tmp_path / "last.onnx", {"x": ["n", 40, 40, 3]}, permute=True)
    free = graph(tmp_path / "free.onnx", {"x": ["n", 3, "h", "w"]})
    two = graph(tmp_path / "two.onnx", {"x": ["n", 3, 40, 40], "mask": ["n", 3, 40, 40]})
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"no graph at all" * 9)
    outside = tmp_path / "outside.onnx"
    weights = trained(EmbedderSpec("tiny", (32, 32), 16))
    torch.onnx.export(weights, (torch.randn(2, 3, 32, 32),), outside, dynamo=True, external_data=True, verbose=False)
    assert outside.with_name("outside.onnx.data").is_file()
    for path, given, said in (
        (fine, {}, r"does not say how pixels are prepared; give colour, mean, scale \(InsightFace's"),
        (fine, GIVEN | {"image_size": (112, 112)}, r"takes 40x40 pixels \(height x width\), the entry says 112x112"),
        (
            fine,
            GIVEN | {"axes": "nhwc"},
            r"takes images \['n', 3, 40, 40\], which are not nhwc of three channels; say axes: nchw",
        ),
        (last, GIVEN, "which are not nchw of three channels; say axes: nhwc"),
        (free, GIVEN, "does not say how pixels are prepared; give image_size "),
        (fine, GIVEN | {"output": "fc1"}, "its outputs are mean; name the embedding in `output`"),
        (two, GIVEN, r"takes x tensor\(float\) \['n', 3, 40, 40\], mask tensor"),
        (noise, GIVEN, r"noise\.onnx: onnxruntime cannot load it \("),
        (outside, GIVEN, "its weights lie in files beside it, save it whole"),
        (tmp_path / "none.onnx", GIVEN, r"none\.onnx: not found"),
        (fine, GIVEN | {"sha256": "0" * 64}, "sha256 is .*, expected 0000"),
    ):
        with pytest.raises(InputError, match=said):
            imported(tmp_path, path, **given)
        assert not (tmp_path / "model.safetensors").exists()


def test_a_map_is_no_embedding(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["map"])]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 40, 40]) for name in ("x", "map")]
    model = helper.make_graph(nodes, "g", infos[:1], infos[1:])
    onnx.save(
        helper.make_model(model, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "map.onnx"
    )
    with pytest.raises(InputError, match=r"gives \[2, 3, 40, 40\] for two images, expected one vector"):
        imported(tmp_path, tmp_path / "map.onnx", **GIVEN)


def test_one_value_for_each_channel_is_no_sweep():
    values = {"mean": [123.7, 116.3, 103.5], "scale": [58.4, 57.1, 57.4]}
    entry = {"source": "timm", "model": "resnet10t", "path": "w.pt", **values}
    expanded, sweeps = expand_sweeps({"embedders": {"vit": entry, "two": entry | {"model": ["resnet10t", "resnet18"]}}})
    assert set(expanded["embedders"]) == {"vit", "two-modelresnet10t", "two-modelresnet18"} and list(sweeps) == ["two"]
    assert TimmEmbedder(**expanded["embedders"]["vit"]).mean == (123.7, 116.3, 103.5)
    for scale in (0, [1, 0, 1], -2):
        with pytest.raises(ValidationError, match="greater than 0"):
            TimmEmbedder(**entry | {"scale": scale})


def test_an_onnx_graph_gives_no_gradient_and_is_not_exported_again(tmp_path):
    embedder = imported(tmp_path, graph(tmp_path / "g.onnx", {"x": ["n", 3, 40, 40]}), **GIVEN)
    with pytest.raises(InputError, match="gives no gradient, which the training of a generator needs"):
        embedder(to_float(PIXELS).requires_grad_())
    with pytest.raises(InputError, match="came as an ONNX file; pass that on"):
        onnx_bytes(*load_model(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("model", ["resnet10t", "vit_tiny_patch16_224"])
def test_a_network_of_timm(tmp_path, model):
    torch.manual_seed(0)
    sizes = {"img_size": (48, 48)} if model.startswith("vit") else {}
    network = timm.create_model(model, num_classes=24, **sizes)
    network(torch.randn(8, 3, 48, 48))
    save_file({f"module.{name}": value for name, value in network.state_dict().items()}, tmp_path / "w.safetensors")
    entry = {"source": "timm", "model": model, "path": str(tmp_path / "w.safetensors"), "embedding_dim": 24}
    entry |= {"image_size": (48, 48), "mean": (123.7, 116.3, 103.5), "scale": (58.4, 57.1, 57.4)}
    import_embedder(TimmEmbedder(**entry), tmp_path / "m.safetensors")
    mean, scale = (torch.tensor(entry[name])[:, None, None] for name in ("mean", "scale"))
    images = PIXELS[:, :, :36, :36].repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, ::3, ::3]
    assert images.shape[2:] == (48, 48)
    with torch.no_grad():
        expected = network.eval()((images.float() - mean) / scale)
    found = load_embedder(tmp_path / "m.safetensors")
    features = found.embed(images, flip=False)  # in bfloat16 where the CPU is fast at it
    assert torch.cosine_similarity(features, expected).min() > 0.999
    assert torch.allclose(features.norm(dim=1), expected.norm(dim=1), rtol=0.01)
    for change, said in (
        ({"model": "resnet10x"}, "timm has no network 'resnet10x'; near to it are resnet10t"),
        ({"embedding_dim": 23}, r"tensor '(head\.|fc\.).*' is \[24, \d+\], \w+ has \[23, \d+\]"),
    ):
        with pytest.raises(InputError, match=said):
            import_embedder(TimmEmbedder(**entry | change), tmp_path / "n.safetensors")

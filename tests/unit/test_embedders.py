"""Embedders: preprocessing, folding and gradients against plain arithmetic; foreign weights; LFW with pretrained networks."""

import argparse
import hashlib
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from semihard.compute.tensors import resize, to_float
from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, load_class_centers, load_model, save_model, weights_digest
from semihard.settings import registry
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.embedding import embed_faces
from semihard.similarity.import_embedder import import_embedder
from semihard.similarity.layout import renamed, spec_of
from semihard.similarity.settings import FacenetEmbedder, FileEmbedder, OnnxEmbedder, WeightsEmbedder
from semihard.similarity.state_dict import read_state_dict
from semihard.sources.importing import import_benchmark
from semihard.sources.settings import BinBenchmark
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification.model import verify_faces
from semihard.verification.protocol import verify
from tests.unit.foreign_backbones import State, adaface_ir, insightface_mbf

SPECS = {name: spec_of(name) for name in registry.names_of("similarity.layouts")}
RENAMES = {name: renames for name in SPECS if (renames := registry.load("similarity.layouts", name).renames(name))}


def network(spec: EmbedderSpec) -> torch.nn.Module:
    torch.manual_seed(1)
    backbone = build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options)
    backbone(torch.randn(8, 3, *spec.image_size))  # running statistics of its own
    return backbone.eval()


SMALL = EmbedderSpec("tiny", (32, 32), 16)
CROPPED = EmbedderSpec("tiny", (32, 24), 16, crop_from=(32, 32), colour="bgr", mean=100.0, scale=50.0)
PIXELS = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", [SMALL, CROPPED], ids=["plain", "cropped bgr"])
def test_preprocessing_is_what_the_specification_says(spec):
    backbone = network(spec)
    expected = PIXELS.float()
    if spec is CROPPED:
        expected = expected[:, :, :, 4:28][:, [2, 1, 0]]
    expected = backbone((expected - spec.mean) / spec.scale)
    found = Embedder(network(spec), spec)(to_float(PIXELS))
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_112_x_96_is_columns_8_to_103():
    spec = SPECS["mobilefacenet_112x96"]
    image = torch.arange(112).expand(1, 3, 112, 112).to(torch.uint8)
    prepared = Embedder(build_backbone("tiny", (112, 96), 8), spec).prepare(to_float(image))
    assert prepared.shape == (1, 3, 112, 96)
    assert prepared[0, 0, 0] * 128 + 127.5 == pytest.approx(np.arange(8, 104), abs=1e-4)


def test_embed_adds_the_mirror_image_and_is_independent_of_the_batch():
    embedder = Embedder(network(SMALL), SMALL)
    pixels = PIXELS.repeat(60, 1, 1, 1)  # more than go through the network at a time
    both, alone = embedder.embed(pixels), embedder.embed(pixels, flip=False)
    mirrored = embedder.embed(pixels.flip(3), flip=False)
    assert both.shape == (300, 16) and not both.requires_grad
    assert torch.allclose(both, alone + mirrored, atol=1e-5)
    assert torch.allclose(both[:5], embedder.embed(PIXELS), atol=0.02)
    with torch.no_grad():
        exact = embedder(to_float(PIXELS))
    assert torch.nn.functional.cosine_similarity(alone[:5], exact).min() > 0.999  # bf16 where it is fast
    assert embedder.embed(pixels[:0]).shape == (0, 16)


def test_bf16_is_made_once_and_leaves_the_embedder_in_float32(monkeypatch):
    embedder = Embedder(network(SMALL), SMALL)
    x = to_float(PIXELS).requires_grad_()
    before = embedder(x)
    monkeypatch.setattr("semihard.similarity.embedders.has_fast_bf16", lambda device: False)
    exact = embedder.embed(PIXELS)
    assert embedder.bf16_backbone is None
    assert torch.allclose(exact, (embedder(x) + embedder(x.flip(3))).detach(), atol=1e-5)
    monkeypatch.setattr("semihard.similarity.embedders.has_fast_bf16", lambda device: True)
    rounded = embedder.embed(PIXELS)
    made = embedder.bf16_backbone
    assert torch.equal(embedder.embed(PIXELS), rounded) and embedder.bf16_backbone is made
    assert torch.nn.functional.cosine_similarity(rounded, exact).min() > 0.999
    assert not torch.equal(rounded, exact)
    assert torch.equal(embedder(x), before) and all(p.dtype == torch.float32 for p in embedder.backbone.parameters())
    gradient = torch.autograd.grad(embedder(x).sum(), x)[0]
    assert gradient.abs().sum() > 0


def test_other_sizes_are_resized_and_gradients_reach_the_pixels():
    embedder = Embedder(network(SMALL), SMALL)
    x = to_float(PIXELS).requires_grad_()
    large = torch.nn.functional.interpolate(x, (80, 70), mode="bilinear")
    features = embedder(large)
    assert torch.equal(features, embedder(resize(large, (32, 32))))
    features.square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in embedder.parameters())


def test_gradient_equals_the_unfolded_networks():
    gradients = []
    for function in (Embedder(network(SMALL), SMALL), network(SMALL)):
        x = to_float(PIXELS).requires_grad_()
        function(x).sum().backward()
        gradients.append(x.grad)
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-4)


def test_it_stays_frozen_inside_a_training_module():
    module = torch.nn.ModuleList([Embedder(network(SMALL), SMALL)]).train()
    assert not any(part.training for part in module[0].modules())


# ── foreign weights ──


def weights(path, layout: str, **more) -> WeightsEmbedder:
    return WeightsEmbedder(source="weights", path=str(path), layout=layout, **more)


FOREIGN = {
    "adaface_ir_18": lambda state, x: adaface_ir(state, x.flip(1), 18),
    "adaface_ir_50": lambda state, x: adaface_ir(state, x.flip(1), 50),
    "adaface_ir_101": lambda state, x: adaface_ir(state, x.flip(1), 100),
    "adaface_ir_se_50": lambda state, x: adaface_ir(state, x.flip(1), 50, se=True),
    "cvlface_ir_18": lambda state, x: adaface_ir(state, x, 18),
    "cvlface_ir_50": lambda state, x: adaface_ir(state, x, 50),
    "cvlface_ir_101": lambda state, x: adaface_ir(state, x, 100),
    "mbf": lambda state, x: insightface_mbf(state, x, 2, (1, 4, 6, 2)),
    "mbf_large": lambda state, x: insightface_mbf(state, x, 4, (2, 8, 12, 4)),
}


@torch.no_grad()
def foreign(layout: str, n: int = 1) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """A state dict by its own names, images, and their features by a second implementation, which sees x / 127.5 − 1."""
    state = State()
    pixels = torch.randint(0, 256, (n, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    features = FOREIGN[layout](state, (pixels.float() - 127.5) / 127.5)
    return state.tensors, pixels, features


def beside_lightning(module: str = "pytorch_lightning.callbacks.model_checkpoint") -> dict:
    """What Lightning 1 leaves beside a state dict: its callbacks by their class, and the arguments of training."""
    checkpoint = FOREIGN_MODULES.a_class(module, "ModelCheckpoint")
    arguments = argparse.Namespace(lr=0.1, path=Path("data"), limits=np.float64(1.0))
    return {"callbacks": {checkpoint: {"best_model_score": torch.tensor(0.9)}}, "hyper_parameters": arguments}


class ForeignModules:
    """Modules that are not installed where their files are read."""

    def __init__(self):
        self.names: list[str] = []

    def a_class(self, module: str, name: str) -> type:
        parts = module.split(".")
        for whole in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
            made = sys.modules.setdefault(whole, types.ModuleType(whole))
            self.names.append(whole)
        setattr(made, name, type(name, (), {"__module__": module}))
        return getattr(made, name)

    def forget(self) -> None:
        for name in self.names:
            sys.modules.pop(name, None)


FOREIGN_MODULES = ForeignModules()


@pytest.mark.parametrize("layout", ["adaface_ir_18", "adaface_ir_se_50", "cvlface_ir_18", "mbf", "mbf_large"])
def test_foreign_weights_give_the_foreign_features(tmp_path, layout):
    state, pixels, expected = foreign(layout, 2)
    if layout.startswith("adaface"):  # a Lightning checkpoint: the network in `model`, the head beside it
        state = {f"model.{name}": value for name, value in state.items()}
        state |= {"head.kernel": torch.zeros(512, 7), "head.batch_mean": torch.ones(1) * 20}
        state = {"state_dict": state, "epoch": 25} | beside_lightning()
    if layout.startswith("cvlface"):  # on the Hub: a wrapper's `model`, whose `net` it is
        state = {f"model.net.{name}": value for name, value in state.items()}
    torch.save(state, tmp_path / "w.ckpt")
    FOREIGN_MODULES.forget()
    import_embedder(weights(tmp_path / "w.ckpt", layout), tmp_path / "m")
    embedder = load_embedder(tmp_path / "m")
    with torch.no_grad():
        found = embedder(to_float(pixels))
        other_order = embedder(to_float(pixels.flip(1)))
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(other_order, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("layout", FOREIGN)
def test_every_foreign_name_has_one_of_ours_and_its_shape(layout):
    state, _, _ = foreign(layout)
    with torch.device("meta"):
        wanted = build_backbone(SPECS[layout].backbone, (112, 112), 512).state_dict()
    found = renamed(state, layout)
    assert {name: value.shape for name, value in found.items()} == {name: v.shape for name, v in wanted.items()}


@pytest.mark.parametrize("layout", ["adaface_ir_50", "adaface_ir_se_50", "mbf", "mbf_large", "iresnet18"])
def test_weights_of_another_network_are_named(tmp_path, layout):
    state, _, _ = foreign("adaface_ir_18")
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"w\.safetensors: tensor '\S+' is (missing|\[[\d, ]+\]), \w+ has"):
        import_embedder(weights(tmp_path / "w.safetensors", layout), tmp_path / "m")
    assert not (tmp_path / "m").exists()


@settings(deadline=None)
@given(st.sampled_from(sorted(RENAMES)), st.from_regex(r"(\w{1,9}\.){1,6}(weight|bias)", fullmatch=True), st.data())
def test_renaming_takes_any_name(layout, name, data):
    known = data.draw(st.sampled_from(["body.", "layers.", "conv_", "blocks.", "input_layer.", "output_layer.", ""]))
    number = data.draw(st.integers(0, 99))
    assert len(renamed({f"{known}{number}.{name}": torch.zeros(1, 1)}, layout)) == 1


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": {f"module.backbone.{n}": v for n, v in s.items()}}]
)
def test_insightface_weights_load_as_they_are(tmp_path, wrap):
    state = build_backbone("iresnet18", (112, 112), 512).state_dict()
    torch.save(wrap(state), tmp_path / "backbone.pth")
    import_embedder(weights(tmp_path / "backbone.pth", "iresnet18"), tmp_path / "model")
    backbone, spec = load_model(tmp_path / "model")
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())
    assert spec == EmbedderSpec("iresnet18", (112, 112), 512)


def test_safetensors_in_any_order_and_environment_variables(tmp_path, monkeypatch):
    save_file(build_backbone("iresnet18", (112, 112), 512).state_dict(), tmp_path / "w.safetensors")
    monkeypatch.setenv("WEIGHTS", str(tmp_path))
    import_embedder(weights("$WEIGHTS/w.safetensors", "iresnet18"), tmp_path / "model")
    assert load_embedder(tmp_path / "model").embedding_dim == 512


def test_what_does_not_fit_is_refused(tmp_path):
    path, output = tmp_path / "w.pt", tmp_path / "model"
    with pytest.raises(InputError, match=r"w\.pt: not found"):
        import_embedder(weights(path, "iresnet18"), output)
    torch.save(build_backbone("iresnet18", (112, 112), 512).state_dict(), path)
    with pytest.raises(InputError, match=r"tensor 'layer1\.2\.bn1\.weight' is missing, IResNet has \[64\]"):
        import_embedder(weights(path, "iresnet50"), output)
    with pytest.raises(InputError, match=r"tensor 'stem\.conv\.weight' is missing, MobileFaceNet has"):
        import_embedder(weights(path, "mobilefacenet_facexzoo"), output)
    with pytest.raises(InputError, match=r"sha256 is .* expected 0{64}"):
        import_embedder(weights(path, "iresnet18", sha256="0" * 64), output)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"not a readable weight file"):
        import_embedder(weights(path, "iresnet18"), output)
    torch.save({"epoch": 3}, path)
    with pytest.raises(InputError, match=r"holds no tensors by name"):
        import_embedder(weights(path, "iresnet18"), output)
    assert not output.exists()


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_file_is_no_state_dict(tmp_path, seed):
    (tmp_path / "w.pt").write_bytes(np.random.default_rng(seed).bytes(2000))
    with pytest.raises(InputError, match=r"w\.pt: (is no PyTorch state dict|not a readable weight file)"):
        import_embedder(
            WeightsEmbedder(source="weights", path=str(tmp_path / "w.pt"), layout="iresnet18"), tmp_path / "m"
        )


def test_pickled_code_is_refused_and_does_not_run(tmp_path):
    for path, write in (("new.pt", torch.save), ("plain.pkl", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        write({"a": Payload(tmp_path / "ran")}, tmp_path / path)
        with pytest.raises(InputError, match=r"holds posix\.mkdir beside tensors, refused|is no PyTorch state dict"):
            import_embedder(weights(tmp_path / path, "iresnet18"), tmp_path / "model")
    assert not (tmp_path / "ran").exists()


def test_of_a_lightning_checkpoint_nothing_but_tensors_is_made(tmp_path):
    """Whoever calls a trap by a trusted name is called as little as the trusted one would be."""
    path = tmp_path / "w.ckpt"
    torch.save({"state_dict": {"model.a": torch.ones(2)}} | beside_lightning(), path)
    FOREIGN_MODULES.forget()
    assert {name: value.tolist() for name, value in read_state_dict(path).items()} == {"a": [1, 1]}

    made = FOREIGN_MODULES.a_class("pytorch_lightning.utilities", "AttributeDict")
    made.__reduce__ = lambda self: (made, (1,), {"x": 2}, None, iter([("key", Payload(tmp_path / "ran"))]))
    torch.save({"state_dict": {"a": torch.ones(2)}, "hyper_parameters": made()}, path)
    FOREIGN_MODULES.forget()
    with pytest.raises(InputError, match=r"w\.ckpt: holds posix\.mkdir beside tensors, refused"):
        read_state_dict(path)
    assert not (tmp_path / "ran").exists()


def test_facenet_weights_without_their_classifier(tmp_path, monkeypatch):
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(0)
    original = InceptionResnetV1(classify=True, num_classes=7).eval()
    torch.save(original.state_dict(), tmp_path / "w.pt")
    import_embedder(
        FacenetEmbedder(source="facenet", pretrained="casia-webface", path=str(tmp_path / "w.pt")), tmp_path / "m"
    )
    embedder = load_embedder(tmp_path / "m")
    original.classify = False
    pixels = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(embedder(to_float(pixels)), original((pixels.float() - 127.5) / 128), atol=1e-4)

    with pytest.raises(InputError, match=r"sha256 is .* expected 281cebca"):
        import_embedder(FacenetEmbedder(source="facenet", path=str(tmp_path / "w.pt")), tmp_path / "m")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        InputError, match=r"cache/checkpoints/20180402-114759-vggface2\.pt: not found; fetch https://github"
    ):
        import_embedder(FacenetEmbedder(source="facenet"), tmp_path / "m")


def test_a_model_of_another_study_comes_with_its_class_weights(tmp_path):
    weight = torch.randn(3, 16)
    save_model(tmp_path / "theirs", network(CROPPED), CROPPED, weight, ["a", "b", "c"])
    given = FileEmbedder(source="file", path=str(tmp_path / "theirs"))
    import_embedder(given, tmp_path / "m")
    found, names = load_class_centers(tmp_path / "m")
    assert torch.equal(found, weight) and names == ["a", "b", "c"]
    pixels, (theirs, ours) = to_float(PIXELS), (load_embedder(tmp_path / name) for name in ("theirs", "m"))
    assert ours.spec == CROPPED and torch.equal(ours(pixels), theirs(pixels))
    assert weights_digest(tmp_path / "theirs") == weights_digest(tmp_path / "m")

    with pytest.raises(InputError, match=r"theirs: sha256 is .*, expected 0{64}"):
        import_embedder(given.model_copy(update={"sha256": "0" * 64}), tmp_path / "n")
    save_file({"a": torch.ones(1)}, tmp_path / "theirs")
    with pytest.raises(InputError, match=r"theirs: a safetensors file, but no model file of this workflow"):
        import_embedder(given, tmp_path / "n")


# ── embedding a face set ──


def test_embed_faces_writes_one_row_per_image(tmp_path, small_faceset):
    save_model(tmp_path / "m", network(SMALL), SMALL)
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    found = read_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS)["embedding"]
    images = torch.from_numpy(FaceSet(small_faceset).images(slice(None))).permute(0, 3, 1, 2)
    expected = load_embedder(tmp_path / "m").embed(images).numpy()
    assert found.dtype == np.float32 and np.array_equal(found, expected)


def test_what_is_finished_is_not_embedded_again(tmp_path, small_faceset, monkeypatch):
    save_model(tmp_path / "m", network(SMALL), SMALL)
    monkeypatch.setattr(FaceSet, "blocks", lambda self: (slice(i, i + 8) for i in range(0, len(self), 8)))
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob("*.resume"))

    embed, calls = Embedder.embed, []

    def at_most(count):
        def counted(self, images, flip=True):
            if len(calls) == count:
                raise KeyboardInterrupt
            calls.append(len(images))
            return embed(self, images, flip)

        return counted

    monkeypatch.setattr(Embedder, "embed", at_most(3))
    with pytest.raises(KeyboardInterrupt):
        embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    kept = tmp_path / "e.h5.resume" / "features"
    assert kept.stat().st_size == 3 * 8 * 16 * 4 and not (tmp_path / "e.h5").exists()
    with kept.open("ab") as file:
        file.write(b"half a block" * 9)
    calls.clear()
    monkeypatch.setattr(Embedder, "embed", at_most(9))
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    assert calls == [8, 8]
    assert (tmp_path / "e.h5").read_bytes() == whole and not kept.exists()

    with pytest.raises(KeyboardInterrupt):  # what another network has left is not gone on with
        calls.clear()
        monkeypatch.setattr(Embedder, "embed", at_most(3))
        embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    other = network(SMALL)
    other.fc.bias.data += 1
    save_model(tmp_path / "m", other, SMALL)
    calls.clear()
    monkeypatch.setattr(Embedder, "embed", at_most(9))
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    assert calls == [8] * 5 and (tmp_path / "e.h5").read_bytes() != whole


def test_a_non_finite_embedding_names_its_image(tmp_path, small_faceset):
    broken = network(SMALL)
    broken.fc.bias.data[3] = torch.nan
    save_model(tmp_path / "m", broken, SMALL)
    with pytest.raises(InputError, match=r"small\.h5: image 0 \(source_key 0/0\.png\) has no finite embedding"):
        embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    assert not (tmp_path / "e.h5").exists()


# ── real faces: the published accuracy of pretrained networks ──


@pytest.fixture(scope="module")
def lfw(real_faces, tmp_path_factory):
    """The 6,000 LFW pairs as the workflow imports them."""
    folder = tmp_path_factory.mktemp("lfw")
    settings = BinBenchmark(source="bin", path=str(real_faces / "benchmarks/lfw.bin"))
    import_benchmark(settings, folder / "faces.h5", folder / "pairs.h5", Provenance())
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("file", "layout", "accuracy"),
    [
        ("xiaoccer_casia_mobilefacenet128_sd.pt", "mobilefacenet_112x96", 0.9902),
        ("xface_mobilefacenet512_sd.pt", "mobilefacenet_facexzoo", 0.9932),
    ],
)
def test_pretrained_networks_reach_their_accuracy_on_lfw(lfw, real_faces, tmp_path, file, layout, accuracy):
    source = real_faces / "weights" / file
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    import_embedder(weights(source, layout, sha256=digest), tmp_path / "m")
    verify_faces(lfw / "faces.h5", lfw / "pairs.h5", tmp_path / "m", tmp_path / "v.h5", flip=False)
    assert read_attributes(tmp_path / "v.h5", schemas.VERIFICATION)["accuracy_mean"] == pytest.approx(
        accuracy, abs=0.002
    )


@pytest.mark.timeout(600)
def test_a_public_onnx_file_reaches_its_accuracy_on_lfw(lfw, real_faces, tmp_path):
    """FaceX-Zoo's MobileFaceNet as anybody exports it: without metadata, so that the entry says how pixels are prepared."""
    import_embedder(
        weights(real_faces / "weights/xface_mobilefacenet512_sd.pt", "mobilefacenet_facexzoo"), tmp_path / "m"
    )
    file = tmp_path / "public.onnx"
    batch = {0: torch.export.Dim("n")}
    torch.onnx.export(
        load_model(tmp_path / "m")[0].eval(),
        (torch.randn(2, 3, 112, 112),),
        file,
        dynamic_shapes=(batch,),
        external_data=False,
    )
    entry = OnnxEmbedder(source="onnx", path=str(file), colour="bgr", mean=127.5, scale=128.0)
    import_embedder(entry, tmp_path / "o")
    verify_faces(lfw / "faces.h5", lfw / "pairs.h5", tmp_path / "o", tmp_path / "v.h5", flip=False)
    assert read_attributes(tmp_path / "v.h5", schemas.VERIFICATION)["accuracy_mean"] == pytest.approx(0.9932, abs=0.001)


def test_every_layout_has_a_specification():
    layouts = WeightsEmbedder.model_fields["layout"].annotation.__args__
    assert set(layouts) == set(SPECS) and set(RENAMES) <= set(SPECS)


def test_verify_faces_writes_the_protocols_result(tmp_path, small_faceset):
    save_model(tmp_path / "m", network(SMALL), SMALL)
    first, second = np.arange(0, 40, 2), np.arange(1, 41, 2)
    pairs = {"first": first, "second": second, "same": np.tile([True, False], 10), "fold": np.arange(20) // 10}
    write_artifact(tmp_path / "p.h5", schemas.BENCHMARK, pairs)
    verify_faces(small_faceset, tmp_path / "p.h5", tmp_path / "m", tmp_path / "v.h5")
    found = read_artifact(tmp_path / "v.h5", schemas.VERIFICATION)
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    unit = read_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS)["embedding"].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert found["distance"] == pytest.approx(2 - 2 * (unit[first] * unit[second]).sum(1), abs=1e-9)
    expected = verify(found["distance"], pairs["same"], pairs["fold"])
    assert np.array_equal(found["accuracy"], expected.accuracy)
    attributes = read_attributes(tmp_path / "v.h5", schemas.VERIFICATION)
    assert (
        attributes["accuracy_mean"] == expected.accuracy.mean()
        and attributes["accuracy_std"] == expected.accuracy.std()
    )

    write_artifact(tmp_path / "p.h5", schemas.BENCHMARK, pairs | {"second": second + 1})
    with pytest.raises(InputError, match="names an image beyond the 40"):
        verify_faces(small_faceset, tmp_path / "p.h5", tmp_path / "m", tmp_path / "v.h5")

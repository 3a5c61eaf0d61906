"""Embedders: preprocessing, folding and gradients against plain arithmetic; foreign weights; LFW with pretrained networks."""

import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semihard.artifacts import read_artifact, read_attributes, write_artifact
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.provenance import Provenance
from semihard.recognizer.backbones import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, load_model, save_model
from semihard.settings import BinBenchmark, FacenetEmbedder, WeightsEmbedder
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.embedding import embed_faces
from semihard.similarity.import_embedder import RENAMES, SPECS, import_embedder
from semihard.similarity.verifying import verify_faces
from semihard.sources.importing import import_benchmark
from semihard.tensors import resize, to_float
from semihard.verification import verify


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
    pixels = PIXELS.repeat(30, 1, 1, 1)  # more than go through the network at a time
    both, alone = embedder.embed(pixels), embedder.embed(pixels, flip=False)
    mirrored = embedder.embed(pixels.flip(3), flip=False)
    assert both.shape == (150, 16) and not both.requires_grad
    assert torch.allclose(both, alone + mirrored, atol=1e-5)
    assert torch.allclose(both[:5], embedder.embed(PIXELS), atol=0.02)
    with torch.no_grad():
        exact = embedder(to_float(PIXELS))
    assert torch.nn.functional.cosine_similarity(alone[:5], exact).min() > 0.999  # bf16 where it is fast
    assert embedder.embed(pixels[:0]).shape == (0, 16)


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


def test_pickled_code_is_refused_and_does_not_run(tmp_path):
    for path, write in (("new.pt", torch.save), ("plain.pkl", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        write({"a": Payload(tmp_path / "ran")}, tmp_path / path)
        with pytest.raises(InputError, match=r"refused; save its state_dict"):
            import_embedder(weights(tmp_path / path, "iresnet18"), tmp_path / "model")
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


# ── embedding a face set ──


def test_embed_faces_writes_one_row_per_image(tmp_path, small_faceset):
    save_model(tmp_path / "m", network(SMALL), SMALL)
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    found = read_artifact(tmp_path / "e.h5", "embeddings")["embedding"]
    images = torch.from_numpy(FaceSet(small_faceset).images(slice(None))).permute(0, 3, 1, 2)
    expected = load_embedder(tmp_path / "m").embed(images).numpy()
    assert found.dtype == np.float32 and np.array_equal(found, expected)


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
    assert read_attributes(tmp_path / "v.h5", "verification")["accuracy_mean"] == pytest.approx(accuracy, abs=0.002)


def test_every_layout_has_a_specification():
    layouts = WeightsEmbedder.model_fields["layout"].annotation.__args__
    assert set(layouts) == set(SPECS) and set(RENAMES) <= set(SPECS)


def test_verify_faces_writes_the_protocols_result(tmp_path, small_faceset):
    save_model(tmp_path / "m", network(SMALL), SMALL)
    first, second = np.arange(0, 40, 2), np.arange(1, 41, 2)
    pairs = {"first": first, "second": second, "same": np.tile([True, False], 10), "fold": np.arange(20) // 10}
    write_artifact(tmp_path / "p.h5", "benchmark", pairs)
    verify_faces(small_faceset, tmp_path / "p.h5", tmp_path / "m", tmp_path / "v.h5")
    found = read_artifact(tmp_path / "v.h5", "verification")
    embed_faces(small_faceset, tmp_path / "m", tmp_path / "e.h5")
    unit = read_artifact(tmp_path / "e.h5", "embeddings")["embedding"].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert found["distance"] == pytest.approx(2 - 2 * (unit[first] * unit[second]).sum(1), abs=1e-9)
    expected = verify(found["distance"], pairs["same"], pairs["fold"])
    assert np.array_equal(found["accuracy"], expected.accuracy)
    attributes = read_attributes(tmp_path / "v.h5", "verification")
    assert (
        attributes["accuracy_mean"] == expected.accuracy.mean()
        and attributes["accuracy_std"] == expected.accuracy.std()
    )

    write_artifact(tmp_path / "p.h5", "benchmark", pairs | {"second": second + 1})
    with pytest.raises(InputError, match="names an image beyond the 40"):
        verify_faces(small_faceset, tmp_path / "p.h5", tmp_path / "m", tmp_path / "v.h5")

"""A generator as a diffusers pipeline: saved, loaded, brought into another study, and the same faces by every way."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import semihard
from semihard.errors import InputError
from semihard.generator.export_pipeline import export_pipeline
from semihard.generator.file_entry import FileGenerator
from semihard.generator.import_generator import import_generator
from semihard.generator.model_file import load_generator, read_generator
from semihard.generator.pipeline import FacePipeline
from semihard.generator.sampling import synthesize
from semihard.generator.settings import SyntheticFaces
from semihard.recognizer.model_file import copy_model, weights_digest
from semihard.similarity.import_embedder import import_embedder
from semihard.similarity.settings import FileEmbedder
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.checksum import sha256_of
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import SIZE, toy_embedder, toy_faces, toy_generator, toy_inquiries

PROVENANCE = Provenance(rule="import_generator", code="c")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Generators of the three methods, their embedder, inquiries, and the pipeline of the first."""
    folder = tmp_path_factory.mktemp("files")
    embedder = toy_embedder(folder / "embedder.safetensors")
    for method in ("cemiface", "dcface", "ddpm"):
        toy_generator(folder / f"{method}.safetensors", embedder, method)
    toy_inquiries(folder / "inquiries.h5", 4)
    export_pipeline("cc-by-nc-4.0", folder / "cemiface.safetensors", folder / "pipeline", embedder)
    return folder


@pytest.fixture
def loaded(files) -> FacePipeline:
    pipeline = FacePipeline.from_pretrained(files / "pipeline")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def entry(path: Path, **given) -> FileGenerator:
    return FileGenerator.model_validate({"source": "file", "path": str(path), "embedder": "e"} | given)


def test_it_draws_what_the_workflow_draws(files, loaded, tmp_path):
    """To the pixel, where the inquiries' embeddings, seed and batches are the same."""
    asked = SyntheticFaces(
        source="synthesis", generator="g", inquiries="i", identities=4, per_identity=3, steps=3, batch=5, codec="png",
        similarity=0.4, seed=3,
    )  # fmt: skip
    given = [files / name for name in ("cemiface.safetensors", "embedder.safetensors", "inquiries.h5")]
    synthesize(asked, 0, given[0], tmp_path / "faces.h5", Provenance(), *given[1:])
    faces = FaceSet(tmp_path / "faces.h5")
    embeddings = read_artifact(given[2], schemas.INQUIRIES)["embedding"]
    drawn = loaded(embeddings, m=0.4, per_inquiry=3, steps=3, seed=3, batch=5, output_type="np")
    np.testing.assert_array_equal(drawn.images, faces.images(slice(None)))
    np.testing.assert_allclose(drawn.similarity, faces.column("similarity"), atol=1e-5)


def test_inquiries_may_be_photographs(loaded, tmp_path):
    photographs = FaceSet(toy_faces(tmp_path / "faces.h5", 3, 1)).images(slice(None))
    by_array = loaded(photographs, m=[0.0, 0.5, 1.0], steps=2, output_type="np")
    by_picture = loaded([Image.fromarray(image) for image in photographs], m=[0.0, 0.5, 1.0], steps=2)
    by_embedding = loaded(
        loaded._embedder().embed(torch.from_numpy(photographs).permute(0, 3, 1, 2)), [0.0, 0.5, 1.0], steps=2
    )
    assert by_array.images.shape == (3, SIZE, SIZE, 3) and by_array.images.dtype == np.uint8
    for other in (by_picture, by_embedding):
        np.testing.assert_array_equal(np.stack([np.asarray(image) for image in other.images]), by_array.images)
    alone = loaded(photographs[1:2], m=0.5, steps=2, output_type="np")
    assert np.abs(alone.images[0].astype(int) - by_array.images[1]).max() > 1  # its noise is that of the first inquiry


def test_faces_of_nobody(files):
    pipeline = FacePipeline.of(files / "ddpm.safetensors")
    pipeline.set_progress_bar_config(disable=True)
    faces = pipeline(per_inquiry=3, steps=2, batch=2)
    assert len(faces.images) == 3 and faces.similarity is None and faces.images[0].size == (SIZE, SIZE)


@pytest.mark.parametrize(
    ("inquiries", "given", "message"),
    [
        (None, {}, "give one or more inquiries"),
        (np.zeros((0, 8), np.float32), {}, "give one or more inquiries"),
        (np.zeros((2, 3, 32, 32), np.uint8), {}, r"\[2, 3, 32, 32\] and kind uint8: expected uint8 RGB images \[n, h, w, 3\]"),
        (np.zeros((2, 7), np.float32), {}, "expected uint8 RGB images"),
        (np.zeros((2, 32, 32, 3), np.float32), {}, "kind float32"),
        (np.zeros((2, 32, 24, 3), np.uint8), {}, "align them to these proportions"),
        ("embeddings", {"m": 1.5}, "a similarity lies between -1 and 1"),
        ("embeddings", {"m": float("nan")}, "a similarity lies between -1 and 1"),
        ("embeddings", {"output_type": "pt"}, "output_type 'pt': expected pil or np"),
        ("embeddings", {"steps": 10_000}, "steps 10000: the generator has"),
    ],
)  # fmt: skip
def test_what_it_cannot_draw_from_is_said(files, loaded, inquiries, given, message):
    if isinstance(inquiries, str):
        inquiries = read_artifact(files / "inquiries.h5", schemas.INQUIRIES)["embedding"]
    with pytest.raises(InputError, match=message):
        loaded(inquiries, **given)


def test_other_methods_say_what_they_need(files):
    with pytest.raises(InputError, match="a ddpm generator takes no inquiries"):
        FacePipeline.of(files / "ddpm.safetensors")(np.zeros((1, 8), np.float32))
    with pytest.raises(InputError, match="draw from it by the workflow"):
        FacePipeline.of(files / "dcface.safetensors", files / "embedder.safetensors")(np.zeros((1, 8), np.float32))


def test_the_lines_of_the_card_draw_faces(files, tmp_path):
    """In a process of their own, without Snakemake."""
    lines = re.search(r"```python\n(.*?)```", (files / "pipeline/README.md").read_text(), re.S)[1]
    assert lines.count("\n") <= 10
    head = "import sys; sys.modules['snakemake'] = None; import numpy as np\n"
    head += "photographs = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)\n"
    shutil.copytree(files / "pipeline", tmp_path / "pipeline")
    environment = os.environ | {"PYTHONPATH": str(Path(semihard.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", head + lines], cwd=tmp_path, env=environment, check=True)
    with Image.open(tmp_path / "face.png") as image:
        assert image.size == (SIZE, SIZE)


def test_the_card_says_what_a_user_has_to_know(files, tmp_path):
    calibration = {
        "m": np.array([-1.0, 0.0, 1.0]), "embedder": np.array(["loss", "other"], object), "counts": np.zeros((2, 3, 7), np.int64),
        "similarity": np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) / 10,
    }  # fmt: skip
    missing = {name: data for name, data in _calibration().items() if name not in calibration}
    write_artifact(tmp_path / "calibration.h5", schemas.CALIBRATION, calibration | missing, Provenance())
    faces = toy_faces(tmp_path / "faces.h5", 2, 2)
    given = [files / "embedder.safetensors", tmp_path / "calibration.h5", faces]
    export_pipeline("Research only", files / "cemiface.safetensors", tmp_path / "mine", *given)
    card = (tmp_path / "mine/README.md").read_text()
    assert card.startswith('---\nlicense: other\nlicense_name: "Research only"\nlibrary_name: diffusers\n')
    for line in ("| method | cemiface |", "| licence of these weights | Research only |", "| m | the embedder of the loss | other |",
                 "| 0.00 | 0.100 | 0.400 |", "| similarities m it was trained on | -1 … 1 |"):  # fmt: skip
        assert line in card.splitlines(), line
    assert (files / "pipeline/README.md").read_text().startswith("---\nlicense: cc-by-nc-4.0\n")
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "mine", capture_output=True, text=True)
    assert done.returncode == 0 and "generator/diffusion_pytorch_model.safetensors: OK" in done.stdout


def _calibration() -> dict[str, np.ndarray]:
    """What the card does not look at."""
    numbers = ("pearson_r", "pearson_r_mean", "pearson_r_within", "monotonicity")
    pictures = {"images": np.zeros((3, 1, 4, 4, 3), np.uint8), "inquiry_images": np.zeros((1, 4, 4, 3), np.uint8)}
    return {name: np.zeros(2) for name in numbers} | {"bin_edges": np.zeros(8)} | pictures


@pytest.mark.parametrize("name", ["cemiface.safetensors", "pipeline"])
def test_a_generator_is_brought_into_another_study(files, tmp_path, name):
    """Its embedder as well, under another name, and whoever wrote its file."""
    import_embedder(FileEmbedder(source="file", path=str(files / "embedder.safetensors")), tmp_path / "e", PROVENANCE)
    assert sha256_of(tmp_path / "e") != sha256_of(files / "embedder.safetensors")
    import_generator(entry(files / name), tmp_path / "g", PROVENANCE, tmp_path / "e")
    (ours, spec, origin), (theirs, wanted, trained) = (
        read_generator(tmp_path / "g"),
        read_generator(files / "cemiface.safetensors"),
    )
    assert spec == wanted and origin == trained
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)
    load_generator(tmp_path / "g", torch.device("cpu"))


def test_the_embedder_of_a_pipeline_is_an_embedder(files, tmp_path):
    copy_model(files / "pipeline", tmp_path / "e")
    assert weights_digest(tmp_path / "e") == weights_digest(files / "embedder.safetensors")


def test_files_of_earlier_versions_name_their_embedder_by_its_file(files, tmp_path):
    spec = read_generator(files / "cemiface.safetensors")[1]
    spec.check_embedder(files / "embedder.safetensors", spec.embedding_dim)
    old = replace(spec, embedder_sha256=sha256_of(files / "embedder.safetensors"))
    old.check_embedder(files / "embedder.safetensors", spec.embedding_dim)


def broken(files: Path, folder: Path, kind: str) -> Path:
    """A copy of the pipeline with one thing wrong."""
    path = folder / "pipeline"
    shutil.copytree(files / "pipeline", path)
    config, weights = path / "generator/config.json", path / "generator/diffusion_pytorch_model.safetensors"
    if kind == "no weights":
        weights.unlink()
    elif kind == "cut off":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "no json":
        config.write_text("{")
    elif kind == "no object":
        config.write_text("[]")
    elif kind == "another network":
        config.write_text(json.dumps(json.loads(config.read_text()) | {"network": "huge"}))
    else:
        tensors = load_file(weights)
        name = next(iter(tensors))
        if kind == "a tensor missing":
            del tensors[name]
        elif kind == "an alien tensor":
            tensors["teacher.weight"] = torch.zeros(1)
        elif kind == "not finite":
            tensors[name] = torch.full_like(tensors[name], torch.nan)
        save_file(tensors, weights)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no weights", r"is a folder without generator/diffusion_pytorch_model\.safetensors, so no pipeline"),
        ("cut off", "is no readable part of a pipeline"),
        ("no json", "is no readable part of a pipeline"),
        ("no object", "expected an object, found list"),
        ("another network", "not a readable generator file"),
        ("a tensor missing", "not a readable generator file"),
        ("an alien tensor", r"tensor 'teacher\.weight' is not expected"),
        ("not finite", "is not finite"),
    ],
)
def test_a_damaged_pipeline_is_refused(files, tmp_path, kind, message):
    with pytest.raises(InputError, match=message):
        import_generator(
            entry(broken(files, tmp_path, kind)), tmp_path / "g", PROVENANCE, files / "embedder.safetensors"
        )
    assert not (tmp_path / "g").exists()


def test_what_does_not_belong_together_is_refused(files, tmp_path):
    other = toy_embedder(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(InputError, match="is not the embedder the generator was trained with"):
        import_generator(entry(files / "pipeline"), tmp_path / "g", PROVENANCE, other)
    with pytest.raises(InputError, match="is not the embedder the generator was trained with"):
        FacePipeline.of(files / "cemiface.safetensors", other)
    with pytest.raises(InputError, match="give that embedder's model file, too"):
        FacePipeline.of(files / "cemiface.safetensors")
    with pytest.raises(InputError, match="is not the one that the generator was trained with"):
        FacePipeline(FacePipeline.of(files / "cemiface.safetensors", files / "embedder.safetensors").generator)
    with pytest.raises(InputError, match="is a generator of method cemiface; say so: method: cemiface"):
        import_generator(
            entry(files / "pipeline", method="dcface"), tmp_path / "g", PROVENANCE, files / "embedder.safetensors"
        )
    with pytest.raises(InputError, match="sha256 is .*, expected 0000"):
        import_generator(
            entry(files / "pipeline", sha256="0" * 64), tmp_path / "g", PROVENANCE, files / "embedder.safetensors"
        )
    with pytest.raises(InputError, match="is not empty"):
        export_pipeline("x", files / "ddpm.safetensors", files / "pipeline")
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"embedder": None}, "embedder is missing, which a cemiface generator was trained with"),
        ({"method": "ddpm"}, "embedder: a ddpm generator has none; leave it out"),
        ({"method": "gan"}, "Input should be 'cemiface', 'dcface' or 'ddpm'"),
        ({"sha256": "abc"}, "should match pattern"),
        ({"source": "hubb"}, "Input should be 'file'"),
    ],
)
def test_an_entry_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        entry(Path("x"), **given)

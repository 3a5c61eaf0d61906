"""The long stages of a study at a toy's size, each one call: for tests that kill them, fill their disk and spoil their input."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image

from semihard.compute import engine, training_run
from semihard.compute.training_run import TrainingFiles
from semihard.generator.methods.cemiface.network import SimilarityUNet
from semihard.generator.methods.cemiface.objective import CemiFaceObjective
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.sampling import synthesize
from semihard.generator.settings import SyntheticFaces
from semihard.generator.training import train_generator
from semihard.recognizer.settings import Recognizer
from semihard.recognizer.training import Recognition, train_recognizer
from semihard.similarity.embedders import Embedder
from semihard.similarity.embedding import embed_faces
from semihard.sources.importing import import_faces
from semihard.sources.settings import FolderFaces
from semihard.storage import faceset, schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification.model import verify_faces
from tests.unit.toy_generator import toy_embedder, toy_faces, toy_generator, toy_images, toy_inquiries

PEOPLE, EACH, BLOCK = 6, 4, 4
WRITES = [(os, name) for name in ("replace", "rename", "unlink", "rmdir")]
WRITES += [(h5py.Dataset, "__setitem__"), (h5py.Group, "create_dataset")]


@dataclass(frozen=True)
class Stage:
    """run: makes the output from the inputs' folder; output: its name; input: the file that it reads first; text: one of HDF5
    that it reads; places: where it may be struck."""

    run: Callable[[Path, Path], None]
    output: str
    input: str
    hdf5: str | None
    places: list[tuple[object, str]]


def prepare(folder: Path) -> None:
    """The inputs of all stages."""
    torch.set_num_threads(1)  # a forked child must not wait for threads that stayed behind
    FaceSet.blocks = lambda self: (slice(i, min(i + BLOCK, len(self))) for i in range(0, len(self), BLOCK))
    engine.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    training_run.train = functools.partial(engine.train, window=2)
    for number, pixels in enumerate(toy_images(PEOPLE * EACH)):
        path = folder / "photos" / f"person{number // EACH}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    toy_faces(folder / "faces.h5", PEOPLE, EACH)
    embedder = toy_embedder(folder / "embedder.safetensors")
    toy_generator(folder / "generator.safetensors", embedder)
    toy_inquiries(folder / "inquiries.h5", 3)
    first, second = np.random.default_rng(0).integers(0, PEOPLE * EACH, (2, 2000))
    pairs = {"first": first, "second": second, "same": first // EACH == second // EACH, "fold": np.arange(2000) % 2}
    write_artifact(folder / "pairs.h5", schemas.BENCHMARK, pairs)


def photographs(inputs: Path, made: Path) -> None:
    settings = FolderFaces(source="folder", path=str(inputs / "photos"), align="none")
    import_faces(settings, made / "faces.h5", Provenance("import_faces"))


def embedding(inputs: Path, made: Path) -> None:
    embed_faces(inputs / "faces.h5", inputs / "embedder.safetensors", made / "embeddings.h5")


TRAINED = {"image_size": 16, "batch": 8, "epochs": 1, "precision": "fp32", "compile": False}


def files_in(made: Path) -> TrainingFiles:
    return TrainingFiles(made / "model.safetensors", made / "history.h5", made / "epochs")


def generator(inputs: Path, made: Path) -> None:
    settings = CemiFaceGenerator(trained_on="f", embedder="e", network="tiny", learning_rate=1e-3, **TRAINED)
    train_generator(settings, inputs / "faces.h5", files_in(made), Provenance(), inputs / "embedder.safetensors")


def synthesis(inputs: Path, made: Path) -> None:
    given = {"identities": 3, "per_identity": 2, "batch": 2, "steps": 2, "codec": "png", "precision": "fp32"}
    settings = SyntheticFaces(source="synthesis", generator="g", inquiries="i", **given)
    paths = [inputs / name for name in ("embedder.safetensors", "inquiries.h5")]
    synthesize(settings, 0, inputs / "generator.safetensors", made / "shard.h5", Provenance(), *paths)


def recognizer(inputs: Path, made: Path) -> None:
    settings = Recognizer(backbone="tiny", embedding_dim=8, milestones=(), **TRAINED)
    train_recognizer(settings, inputs / "faces.h5", files_in(made), 0, Provenance())


def verification(inputs: Path, made: Path) -> None:
    paths = [inputs / name for name in ("faces.h5", "pairs.h5", "embedder.safetensors")]
    verify_faces(*paths, made / "verification.h5")


IMAGE, MODEL = "photos/person2/9.png", "model.safetensors"
STAGES = {
    "import of faces": Stage(photographs, "faces.h5", IMAGE, None, [*WRITES, (faceset.FaceSetWriter, "add")]),
    "embedding": Stage(embedding, "embeddings.h5", "faces.h5", "faces.h5", [*WRITES, (Embedder, "embed")]),
    "generator training": Stage(generator, MODEL, "faces.h5", "faces.h5", [*WRITES, (CemiFaceObjective, "losses")]),
    "synthesis": Stage(
        synthesis, "shard.h5", "generator.safetensors", "inquiries.h5", [*WRITES, (SimilarityUNet, "predict")]
    ),
    "recognizer training": Stage(recognizer, MODEL, "faces.h5", "faces.h5", [*WRITES, (Recognition, "forward")]),
    "verification": Stage(verification, "verification.h5", "faces.h5", "pairs.h5", [*WRITES, (Embedder, "embed")]),
}

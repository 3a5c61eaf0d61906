"""A byte that changes in a file of ours is seen when the file is read, wherever it lies, and the sentence says what to do."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from semihard.attributes.classifier_file import load_classifier
from semihard.errors import InputError, UnmeasurableError
from semihard.generator.model_file import read_generator
from semihard.recognizer.model_file import load_class_centers, load_model, save_model
from semihard.storage.artifacts import or_unmeasured, read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from semihard.storage.schema import Schema
from semihard.storage.schemas import all_schemas
from semihard.storage.seal import END, MARK
from semihard.storage.tensors_file import read_tensors
from tests.unit.toy_generator import toy_embedder, toy_generator, toy_images

SCHEMAS = {schema.kind: schema for schema in all_schemas()}
POSITIONS = 60  # of each file; every byte of one of each format was tried once
HARMLESS, SEEN, UNSEEN = b"=", b"!", b"?"


def plain(value: object) -> object:
    """What can be compared, however it was read."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return (value.dtype.str, value.shape, value.tolist()) if isinstance(value, np.ndarray) else value


def strike_bytes(path: Path, read: Callable[[Path], object], positions: np.ndarray) -> bytes:
    """What comes of a change of each byte: `read` raises InputError that names the file and what to do, or gives what it
    gave before. In forks, as a library may take the process down."""
    whole, before, found = path.read_bytes(), repr(read(path)), b""
    while len(found) < len(positions):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            for position in positions[len(found) :].tolist():
                blob = bytearray(whole)
                blob[position] ^= 0x10 if position % 2 else 0xFF
                path.write_bytes(blob)
                try:
                    seen = HARMLESS if repr(read(path)) == before else UNSEEN
                except InputError as error:
                    seen = SEEN if re.search(rf"{path}.*(again|no model file of|make it with)", str(error)) else UNSEEN
                except BaseException:
                    seen = UNSEEN
                os.write(writer, seen)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            found += pipe.read()
        if os.waitpid(child, 0)[1]:
            found += b"x"  # it went down with the process: noticed, not nicely
    path.write_bytes(whole)
    return found


def artifact_of(path: Path, schema: Schema) -> None:
    """An artifact of that schema, with lengths and values of no meaning."""
    random, lengths, data = np.random.default_rng(0), {}, {}
    for name, dataset in schema.datasets.items():
        letters = dataset.shape.split(",") if dataset.shape else []
        shape = [int(a) if a.isdigit() else lengths.setdefault(a, 2 + len(lengths) % 3) for a in letters]
        values = random.integers(0, 2, shape)
        data[name.replace("*", "own")] = (
            np.vectorize(lambda value: f"Zoë {value}", otypes=[object])(values) if dataset.dtype == "str" else values
        )
    write_artifact(path, schema, data, Provenance("a_rule", {"a": 1}, "abc", 3), {"an_attribute": 0.5})


def drawn(path: Path) -> np.ndarray:
    size = path.stat().st_size
    return np.unique(np.random.default_rng(0).integers(0, size, POSITIONS))


@pytest.mark.parametrize("kind", sorted(set(SCHEMAS) - {"faceset"}))
def test_a_changed_byte_of_an_artifact(tmp_path, kind):
    path, schema = tmp_path / "artifact.h5", SCHEMAS[kind]
    artifact_of(path, schema)

    def read(path):
        return plain(read_artifact(path, schema)), plain(read_attributes(path, schema))

    found = strike_bytes(path, read, drawn(path))
    assert UNSEEN not in found and SEEN in found, found


def read_faces(path: Path) -> object:
    faces = FaceSet(path)
    columns = {name: plain(faces.column(name)) for name in faces.column_names}
    about = plain(faces.attrs), faces.identity.tolist(), faces.identity_names, faces.offsets.tolist()
    return columns, about, faces.images(slice(None)).tobytes(), faces.digests().tolist()


@pytest.mark.parametrize("codec", ["png", "jpeg", "raw"])
def test_a_changed_byte_of_a_face_set(tmp_path, codec):
    path = tmp_path / "faces.h5"
    with FaceSetWriter(path, (16, 16), codec, Provenance("a_rule", {"a": 1}, "abc")) as writer:
        columns = {"source_key": ["a", "b", "ç", "d"], "similarity": np.arange(4.0)}
        writer.add(toy_images(4), ["one", "one", "Zoë", "two"], columns)
    found = strike_bytes(path, read_faces, drawn(path))
    assert UNSEEN not in found and SEEN in found, found


def recognizer(path: Path) -> None:
    import torch

    from semihard.recognizer.backbone import build_backbone
    from semihard.recognizer.model_file import EmbedderSpec

    save_model(
        path, build_backbone("tiny", (16, 16), 8), EmbedderSpec("tiny", (16, 16), 8), torch.eye(2, 8), ["a", "Zoë"]
    )


def generator(path: Path) -> None:
    toy_generator(path, toy_embedder(path.with_name("embedder.safetensors")))


def classifier(path: Path) -> None:
    from semihard.attributes.classifier_file import FOLDS, Classifier, Taught, save_classifier
    from semihard.attributes.network import AttributeNetwork

    networks = [AttributeNetwork(8, 1) for _ in range(FOLDS)]
    taught = Taught("real", "CC0", 2, 2, ["Smiling"], np.arange(2), np.zeros(2, np.uint8), networks)
    known = {"accuracy": np.ones(1)}
    save_classifier(path, Classifier(["Smiling"], "abc", 8, 0.9, known, [taught]), Provenance())


MODELS = {
    "recognizer": (recognizer, lambda path: (load_model(path), load_class_centers(path))),
    "generator": (generator, read_generator),
    "attribute classifier": (classifier, load_classifier),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_changed_byte_of_a_model(tmp_path, kind):
    make, load = MODELS[kind]
    path = tmp_path / "model.safetensors"
    make(path)

    def read(path):
        load(path)
        about, tensors = read_tensors(path)
        return about, {name: plain(tensor.numpy()) for name, tensor in tensors.items()}

    size = path.stat().st_size
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    random = np.random.default_rng(0)
    positions = np.concatenate(
        [random.integers(0, header, 24), random.integers(header, size, 8), [0, 1, 2, 3, 7, size - 1]]
    )
    found = strike_bytes(path, read, np.unique(positions))
    assert UNSEEN not in found and b"x" not in found and SEEN in found, found


@pytest.mark.parametrize("kind", [*sorted(set(SCHEMAS) - {"faceset"}), "faceset", *MODELS])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_file_cut_short(tmp_path, kind, share):
    path = tmp_path / "cut"
    if kind in MODELS:
        make, read = MODELS[kind]
        make(path)
    elif kind == "faceset":
        with FaceSetWriter(path, (16, 16), "png") as writer:
            writer.add(toy_images(4), ["one", "one", "two", "two"])
        read = FaceSet
    else:
        artifact_of(path, SCHEMAS[kind])

        def read(path):
            return read_artifact(path, SCHEMAS[kind])

    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=rf"{path}.*delete it and run again"):
        read(path)


def small_files(folder: Path) -> dict[Path, Callable[[Path], object]]:
    """An artifact, one without a measure and a face set, and what reads each."""
    schema = SCHEMAS["diversity"]
    artifact_of(folder / "artifact.h5", schema)
    with or_unmeasured(folder / "unmeasured.h5", schema):
        raise UnmeasurableError("too few images")
    with FaceSetWriter(folder / "faces.h5", (16, 16), "png") as writer:
        writer.add(toy_images(4), ["one", "one", "two", "two"])

    def read_unmeasured(path: Path) -> str:
        with pytest.raises(UnmeasurableError) as said:
            read_artifact(path, schema)
        return str(said.value)

    return {
        folder / "artifact.h5": lambda path: plain(read_artifact(path, schema)),
        folder / "unmeasured.h5": read_unmeasured,
        folder / "faces.h5": read_faces,
    }


def test_a_changed_byte_of_the_seal_itself(tmp_path):
    """Each of its last bytes, the mark that closes it among them, and some before."""
    for path, read in small_files(tmp_path).items():
        length, mark = END.unpack(path.read_bytes()[-END.size :])
        assert mark == MARK
        size = path.stat().st_size
        last, before = np.arange(size - END.size - 8, size), np.arange(size - END.size - length, size, 7)
        found = strike_bytes(path, read, np.unique(np.concatenate([last, before])))
        assert UNSEEN not in found and found.count(SEEN) >= END.size, (path, found)


def test_a_seal_that_is_cut_or_missing_is_missed(tmp_path):
    for path, read in small_files(tmp_path).items():
        whole = path.read_bytes()
        length, _ = END.unpack(whole[-END.size :])
        for content in (*(whole[:-count] for count in (1, 8, END.size, END.size + length)), whole + b"\0"):
            path.write_bytes(content)
            with pytest.raises(InputError, match=rf"{path}: its bytes have changed .*delete it and run again") as said:
                read(path)
            assert not isinstance(said.value, UnmeasurableError)


def unseal(path: Path) -> None:
    blob = path.read_bytes()
    length, mark = END.unpack(blob[-END.size :])
    assert mark == MARK
    path.write_bytes(blob[: -END.size - length])
    with h5py.File(path, "a") as h5:
        del h5.attrs["sealed"]


def test_files_of_before_are_read_as_before(tmp_path):
    """Without a seal, a digest or checksums."""
    from safetensors.torch import load_file, save_file

    from semihard.storage.tensors_file import KEY

    artifact_of(tmp_path / "a.h5", SCHEMAS["centers"])
    unseal(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as h5:
        h5.attrs["rule"] = "another"
    assert read_attributes(tmp_path / "a.h5", SCHEMAS["centers"])["rule"] == "another"
    recognizer(tmp_path / "m")
    about, _ = read_tensors(tmp_path / "m")
    import json

    save_file(load_file(tmp_path / "m"), tmp_path / "m", {KEY: json.dumps(about)})
    load_model(tmp_path / "m")
    with FaceSetWriter(tmp_path / "f.h5", (16, 16), "png") as writer:
        writer.add(toy_images(4), ["one", "one", "two", "two"])
    unseal(tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5", "a") as h5:
        del h5["images/checksum"]
    assert len(FaceSet(tmp_path / "f.h5").images(slice(None))) == 4

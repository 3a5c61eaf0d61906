"""Artifacts: what is written is what is read, true to its schema, or not there at all."""

import h5py
import numpy as np
import pytest

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact, open_artifact, read_artifact, read_attributes, write_artifact
from semihard.storage.provenance import Provenance
from semihard.storage.seal import seal

CENTERS = {"center": np.eye(2, 3), "identity_names": ["a", "Zoë"], "count": [1, 2], "similarity": np.ones(3)}


def test_round_trip_with_provenance(tmp_path):
    provenance = Provenance("find_identity_centers", {"center": "mean"}, "abc", 5)
    write_artifact(tmp_path / "c.h5", schemas.CENTERS, CENTERS, provenance, {"center": "mean"})
    found = read_artifact(tmp_path / "c.h5", schemas.CENTERS)
    assert found["center"].dtype == np.float32 and found["identity_names"].tolist() == ["a", "Zoë"]
    attributes = read_attributes(tmp_path / "c.h5", schemas.CENTERS)
    assert attributes["settings"] == '{"center": "mean"}' and attributes["seed"] == 5 and attributes["center"] == "mean"


def test_same_content_gives_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_artifact(tmp_path / name, schemas.CENTERS, CENTERS)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("broken", [{"count": [1, 2, 3]}, {"center": np.ones(2)}, {"similarity": None}])
def test_what_breaks_the_schema_is_not_written(tmp_path, broken):
    data = {name: value for name, value in (CENTERS | broken).items() if value is not None}
    with pytest.raises((ValueError, KeyError)):
        write_artifact(tmp_path / "c.h5", schemas.CENTERS, data)
    assert list(tmp_path.iterdir()) == []


def test_failure_halfway_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), create_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS) as writer:
        writer.create("embedding", (1000, 8))[:500] = 1
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_another_kind_is_named(tmp_path):
    write_artifact(tmp_path / "c.h5", schemas.CENTERS, CENTERS)
    with pytest.raises(InputError, match="is 'centers' of schema 1, expected 'embeddings' of schema 1"):
        read_artifact(tmp_path / "c.h5", schemas.EMBEDDINGS)
    with h5py.File(tmp_path / "x.h5", "w"):
        pass
    with pytest.raises(InputError, match="is 'something else', expected 'centers'"):
        read_artifact(tmp_path / "x.h5", schemas.CENTERS)


def test_files_have_the_mode_that_the_umask_says(tmp_path):
    import os

    import torch

    from semihard.recognizer.backbone import build_backbone
    from semihard.recognizer.model_file import EmbedderSpec, save_model

    old = os.umask(0o027)
    try:
        write_artifact(tmp_path / "c.h5", schemas.CENTERS, CENTERS)
        spec = EmbedderSpec(backbone="tiny", image_size=(32, 32), embedding_dim=8)
        save_model(tmp_path / "m.safetensors", build_backbone("tiny", (32, 32), 8), spec, torch.eye(2, 8), ["a", "b"])
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_a_flipped_bit_is_seen(tmp_path):
    values = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
    path = tmp_path / "e.h5"
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": values})
    blob = bytearray(path.read_bytes())
    blob[blob.index(values[500].tobytes()) + 7] ^= 64
    path.write_bytes(blob)
    with pytest.raises(
        InputError, match=r"e\.h5: its bytes have changed since they were written .*delete it and run again"
    ):
        read_artifact(path, schemas.EMBEDDINGS)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_a_file_cut_short_is_named(tmp_path, share):
    path = tmp_path / "e.h5"
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": np.ones((50, 8), np.float32)})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"e\.h5: is no whole HDF5 file .*; delete it and run again"):
        read_artifact(path, schemas.EMBEDDINGS)


def test_a_dataset_that_is_missing_is_named(tmp_path):
    path = tmp_path / "e.h5"
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": np.ones((5, 8), np.float32)})
    with h5py.File(path, "a") as h5:
        del h5["embedding"]
    seal(path)
    with pytest.raises(InputError, match=r"e\.h5: has no dataset 'embedding'; delete it and run again"):
        read_artifact(path, schemas.EMBEDDINGS)


def test_an_error_of_another_file_stays_what_it_is(tmp_path):
    write_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS, {"embedding": np.ones((5, 8), np.float32)})
    with pytest.raises(OSError, match="No space left"), open_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS):
        raise OSError(28, "No space left on device")

"""The face set: what is written comes back, in any process, and nothing half-written is ever seen."""

import multiprocessing
import os
import pickle
import resource
import signal
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.compute.decoded_images import decode_all
from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.storage.faceset import FaceSet, FaceSetWriter, copy_faces
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance


def write(
    path: Path, images: np.ndarray, names: list[str], codec: str = "png", pieces: int = 1, **columns: np.ndarray
) -> FaceSet:
    with FaceSetWriter(path, images.shape[1:3], codec) as writer:
        for rows in np.array_split(np.arange(len(images)), pieces):
            writer.add(images[rows], [names[i] for i in rows], {key: value[rows] for key, value in columns.items()})
    return FaceSet(path)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from(["", "a", "b", "Zoë", "0010"]), min_size=1, max_size=12),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    codec=st.sampled_from(["png", "raw"]),
    pieces=st.integers(1, 4),
)
def test_what_is_written_comes_back(tmp_path_factory, names, size, codec, pieces):
    images = np.random.default_rng(len(names)).integers(0, 256, (len(names), *size, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("faces") / "f.h5"
    faces = write(path, images, names, codec, pieces, m=np.linspace(-1, 1, len(names)))
    assert [faces.identity_names[k] if k >= 0 else "" for k in faces.identity] == names
    assert (faces.images(slice(None)) == images).all()
    assert (faces.column("m") == np.linspace(-1, 1, len(names))).all()
    assert faces.counts().sum() == sum(name != "" for name in names)
    order = np.random.default_rng(0).permutation(len(names))
    assert (faces.images(order) == images[order]).all()


def test_encoded_images_keep_their_bytes(tmp_path):
    image = np.full((8, 8, 3), 200, np.uint8)
    blob = encode_image(image, "jpeg") + b"trailing bytes stay too"
    with FaceSetWriter(tmp_path / "f.h5", (8, 8)) as writer:
        writer.add([blob], ["a"])
    assert FaceSet(tmp_path / "f.h5").encoded(0) == blob


def test_same_content_gives_same_bytes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    write(tmp_path / "a.h5", images, list("aabbcc"))
    write(tmp_path / "b.h5", images, list("aabbcc"))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_failure_leaves_nothing_and_keeps_the_old_file(tmp_path):
    images = np.zeros((2, 8, 8, 3), np.uint8)
    write(tmp_path / "f.h5", images, ["a", "b"])
    before = (tmp_path / "f.h5").read_bytes()
    with pytest.raises(RuntimeError, match="disk on fire"), FaceSetWriter(tmp_path / "f.h5", (8, 8)) as writer:
        writer.add(images, ["c", "d"])
        raise RuntimeError("disk on fire")
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]
    assert (tmp_path / "f.h5").read_bytes() == before


def write_people(path: Path, image: bytes) -> None:
    """5,000 copies of an image, more than one flush."""
    names = [f"person{i}" for i in range(5000)]
    with FaceSetWriter(path, (8, 8)) as writer:
        for start in range(0, len(names), 500):
            writer.add([image] * 500, names[start : start + 500], {"key": names[start : start + 500]})


def write_within(path: Path, limit: int) -> None:
    """The same in a process whose files may not grow beyond `limit`; its exit code is 1 where that is met."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write_people(path, b"new pixels")
    except (OSError, RuntimeError):
        os._exit(1)  # at an ordinary exit HDF5 would try once more to close the file, and crash


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_disk_that_fills_up_leaves_nothing_and_keeps_the_old_file(tmp_path, share):
    """A limit on the size of a file, in a child: the HDF5 library meets a real failure, also when it closes the file."""
    path = tmp_path / "f.h5"
    write_people(path, b"old pixels")
    before = path.read_bytes()
    child = multiprocessing.get_context("spawn").Process(target=write_within, args=(path, int(share * len(before))))
    child.start()
    child.join(60)
    assert child.exitcode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("failing", ["open", "close"])
def test_a_failure_of_the_hdf5_file_leaves_nothing(tmp_path, monkeypatch, failing):
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("Unable to synchronously close file")

    monkeypatch.setattr(h5py.File, "__init__" if failing == "open" else "__exit__", full)
    with pytest.raises(RuntimeError, match="close file"), FaceSetWriter(tmp_path / "f.h5", (8, 8)) as writer:
        writer.add(np.zeros((1, 8, 8, 3), np.uint8), ["a"])
    assert list(tmp_path.iterdir()) == []


def test_refuses_images_of_another_size_and_empty_sets(tmp_path):
    with (
        pytest.raises(InputError, match=r"expected uint8 RGB of \(8, 8\)"),
        FaceSetWriter(tmp_path / "f.h5", (8, 8)) as writer,
    ):
        writer.add(np.zeros((1, 9, 8, 3), np.uint8), ["a"])
    with pytest.raises(InputError, match="no face was found"), FaceSetWriter(tmp_path / "f.h5", (8, 8)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_reader_names_what_is_wrong(tmp_path, small_faceset):
    with pytest.raises(InputError, match="not found"):
        FaceSet(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="is no whole face set .*delete it and run again"):
        FaceSet(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as h5:
        h5.attrs["kind"] = "centers"
    with pytest.raises(InputError, match="expected a face set of schema 1"):
        FaceSet(tmp_path / "other.h5")
    with pytest.raises(InputError, match="has no column 'age'; it has similarity, source_key"):
        FaceSet(small_faceset).column("age")
    with FaceSetWriter(tmp_path / "broken.h5", (8, 8)) as writer:
        writer.add([encode_image(np.zeros((8, 8, 3), np.uint8), "png"), b"no image"], ["a", "b"])
    with pytest.raises(InputError, match="image 1 does not decode"):
        FaceSet(tmp_path / "broken.h5").images([0, 1])


def _sum_of(faces: FaceSet) -> int:
    return int(faces.images(slice(None)).astype(np.int64).sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reader_survives_worker_processes(small_faceset, method):
    faces = FaceSet(small_faceset)
    expected = _sum_of(faces)  # the map is open when the workers start
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sum_of, [faces, faces]) == [expected, expected]
    assert _sum_of(pickle.loads(pickle.dumps(faces))) == expected


def test_data_is_contiguous_and_documented_by_h5dump_attributes(small_faceset):
    with h5py.File(small_faceset) as h5:
        data = h5["images/data"]
        assert data.chunks is None and data.compression is None
        offset, length = data.id.get_offset(), h5["images/offsets"][1]
        blob = small_faceset.read_bytes()[offset : offset + length]
        assert blob.startswith(b"\x89PNG")
        assert {"schema", "codec", "colour", "image_height", "rule", "settings", "code", "versions", "count"} <= set(
            h5.attrs
        )


def test_copy_keeps_bytes_names_and_columns(tmp_path, small_faceset):
    source = FaceSet(small_faceset)
    indices = np.array([33, 2, 3, 17])
    copy_faces(source, indices, tmp_path / "c.h5", Provenance("subset_faces"), {"m": np.arange(4.0)})
    copy = FaceSet(tmp_path / "c.h5")
    assert [copy.encoded(i) for i in range(4)] == [source.encoded(i) for i in indices]
    names = np.array(source.identity_names, object)[source.identity[indices]]
    assert [copy.identity_names[k] for k in copy.identity] == names.tolist()
    assert copy.column("source_index").tolist() == indices.tolist()
    assert copy.column("source_key").tolist() == source.column("source_key")[indices].tolist()
    assert copy.attrs["rule"] == "subset_faces"


def test_writing_takes_memory_independent_of_the_number_of_images(tmp_path):
    blob = np.random.default_rng(0).integers(0, 256, 4000).astype(np.uint8).tobytes()

    def peak(n: int) -> int:
        tracemalloc.start()
        with FaceSetWriter(tmp_path / f"{n}.h5", (112, 112)) as writer:
            for start in range(0, n, 500):
                writer.add(
                    [blob] * 500,
                    [f"{i % 10}" for i in range(500)],
                    {"source_key": [f"{start + i}" for i in range(500)]},
                )
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1000)  # imports and caches
    assert peak(40_000) < 1.1 * peak(10_000)


def test_decode_once_equals_resized_images(small_faceset):
    import torch

    faces = FaceSet(small_faceset)
    images = torch.from_numpy(faces.images(slice(None))).permute(0, 3, 1, 2)
    assert (decode_all(faces, 16)[0] == images).all()
    assert (decode_all(faces, (8, 12))[0] == resize(images, (8, 12))).all()


def test_copy_renumbers_mixup_partners_with_their_names(tmp_path):
    images = np.zeros((3, 4, 4, 3), np.uint8)
    source = write(tmp_path / "f.h5", images, ["a", "b", "c"], partner=np.array([2, -1, 0], np.int32))
    copy_faces(source, np.array([1, 2]), tmp_path / "c.h5", Provenance())
    copy = FaceSet(tmp_path / "c.h5")
    partners = [copy.identity_names[k] if k >= 0 else None for k in copy.column("partner")]
    assert partners == [None, "a"]

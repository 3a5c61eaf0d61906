"""The LMDB files of Vec2Face's releases, and files that only look like them."""

import logging
import pickle
import struct
from pathlib import Path

import lmdb
import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.errors import InputError
from semihard.sources.lmdb_faces import ROWS_AT_ONCE, read_lmdb
from semihard.storage.pixels import encode_image


def picture(seed: int = 0, size: int = 16, codec: str = "png") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 200, (size, size, 3), np.uint8)
    return encode_image(pixels + np.array([40, 20, 0], np.uint8), codec)


def write_lmdb(path: Path, labels: list, images: list[bytes] | None = None, *, subdir: bool = False, **changes) -> Path:
    """As Vec2Face's writer leaves it; `changes` replace records by name, or remove them where None."""
    images = images or [picture(seed) for seed in range(len(labels))]
    keys = [b"%d" % index for index in range(len(labels))]
    records = {key: msgpack.packb(record) for key, record in zip(keys, zip(images, labels, strict=True), strict=True)}
    records |= {b"__keys__": msgpack.packb(keys), b"__len__": msgpack.packb(len(keys))}
    records |= {name.encode(): value for name, value in changes.items()}
    with (
        lmdb.open(str(path), subdir=subdir, map_size=2**28, map_async=True) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in records.items():
            if value is not None:
                transaction.put(key, value)
    return path


@pytest.mark.parametrize("codec", ["png", "jpeg"])
def test_reads_what_vec2faces_writer_leaves(tmp_path, codec):
    labels = [2, 0, 1, 1, 0, 2, 2, 2, 0, 1, 1, 1]  # "10" and "11" lie between "1" and "2" in the file
    images = [picture(seed, 40, codec) for seed in range(len(labels))]
    path = write_lmdb(tmp_path / "a.lmdb", labels, images, __classnum__=msgpack.packb(3))
    faces = list(read_lmdb(path))
    assert [face.image for face in faces] == images
    assert [face.identity for face in faces] == [str(label) for label in labels]
    assert [face.key for face in faces] == [str(number) for number in range(len(labels))]
    assert list(read_lmdb(tmp_path)) == faces
    assert not (set(tmp_path.iterdir()) - {path, tmp_path / "a.lmdb-lock"})


def test_reads_a_folder_of_data_mdb_and_leaves_it_as_it_is(tmp_path):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 1], subdir=True)
    (path / "lock.mdb").unlink()
    before = (path / "data.mdb").read_bytes()
    assert [face.identity for face in read_lmdb(path)] == ["0", "1"]
    assert [face.identity for face in read_lmdb(tmp_path)] == ["0", "1"]
    assert [file.name for file in path.iterdir()] == ["data.mdb"] and (path / "data.mdb").read_bytes() == before


def test_the_order_is_that_of_the_list_of_keys(tmp_path):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 1, 2], __keys__=msgpack.packb([b"2", "0", b"1"]))
    assert [(face.key, face.identity) for face in read_lmdb(path)] == [("2", "2"), ("0", "0"), ("1", "1")]


def test_an_embedding_between_image_and_label_is_passed_over(tmp_path):
    records = {f"{i}": msgpack.packb((picture(i), b"embedding", label)) for i, label in enumerate([1, 0])}
    faces = list(read_lmdb(write_lmdb(tmp_path / "a.lmdb", [0, 0], **records)))
    assert [(face.image, face.identity) for face in faces] == [(picture(0), "1"), (picture(1), "0")]


def test_images_packed_as_text_by_msgpack_0_are_read(tmp_path):
    record = msgpack.packb((picture(), 0), use_bin_type=False)
    (face,) = read_lmdb(write_lmdb(tmp_path / "a.lmdb", [0], **{"0": record}))
    assert face.image == picture()


@settings(max_examples=20, deadline=None)
@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=30), as_float=st.booleans())
def test_labels_come_back_whatever_their_order_if_gaps_are_allowed_or_absent(tmp_path_factory, labels, as_float):
    stored = [float(label) for label in labels] if as_float else labels
    path = write_lmdb(tmp_path_factory.mktemp("lmdb") / "a.lmdb", stored, [picture()] * len(labels))
    expected = [str(label) for label in labels]
    assert [face.identity for face in read_lmdb(path, "renumber")] == expected
    gaps = sorted(set(range(max(labels) + 1)) - set(labels))
    if gaps:
        with pytest.raises(InputError, match=rf"{len(gaps)} of the labels 0 to {max(labels)} .*label {gaps[0]} is the"):
            read_lmdb(path)
    else:
        assert [face.identity for face in read_lmdb(path)] == expected


def test_a_number_of_identities_above_the_labels_is_a_gap(tmp_path):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 1], __classnum__=msgpack.packb(5))
    with pytest.raises(InputError, match=r"3 of the labels 0 to 4 have no image, label 2 is the first: .*: renumber"):
        read_lmdb(path)
    assert [face.identity for face in read_lmdb(path, "renumber")] == ["0", "1"]


@pytest.mark.parametrize("label", [-1, 0.5, float("nan"), float("inf")])
def test_refuses_labels_that_are_no_class_numbers(tmp_path, label):
    path = write_lmdb(tmp_path / "a.lmdb", [0, label])
    for label_gaps in ("refuse", "renumber"):
        with pytest.raises(InputError, match=rf"record 1 has label {label:g}: labels must be whole numbers from 0 on"):
            read_lmdb(path, label_gaps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"__len__": msgpack.packb(4)}, r"__len__ promises 4 images, __keys__ lists 3 and 3 are there"),
        ({"__keys__": msgpack.packb([b"0", b"1"])}, r"promises 3 images, __keys__ lists 2 and 3 are there"),
        ({"1": None}, r"promises 3 images, __keys__ lists 3 and 2 are there"),
        ({"3": msgpack.packb((picture(), 0))}, r"promises 3 images, __keys__ lists 3 and 4 are there"),
        ({"1": None, "x": msgpack.packb((picture(), 0))}, r"record 1 is missing: copy the file again"),
        ({"__len__": None}, r"no record __len__: expected an LMDB of Vec2Face's layout whose writing came to its end"),
        ({"__keys__": None}, r"has no record __keys__"),
        ({"__keys__": msgpack.packb(3)}, r"expected a list of keys as __keys__"),
        ({"__keys__": msgpack.packb([0, 1, 2])}, r"expected a list of keys as __keys__"),
        ({"__classnum__": msgpack.packb("three")}, r"numbers as __len__ and __classnum__"),
        ({"1": msgpack.packb(["text", "label"])}, r"record 1 is no \(image, label\)"),
        ({"1": msgpack.packb([[1, 2], 0])}, r"record 1 is no \(image, label\)"),
        ({"1": msgpack.packb([picture()])}, r"record 1 is no \(image, label\)"),
        ({"1": msgpack.packb((picture(), 0))[:-20]}, r"record 1 is no msgpack"),
        ({"1": b""}, r"record 1 is no msgpack"),
        ({"1": struct.pack("<4I", 0, 1, 0, 0) + picture()}, r"record 1 is no msgpack \(older tools wrote pyarrow\)"),
    ],
)
def test_refuses_files_that_disagree_with_themselves(tmp_path, changes, message):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 0, 0], **changes)
    with pytest.raises(InputError, match=message):
        read_lmdb(path)


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["1", "__keys__", "__len__"])
def test_a_pickle_is_refused_and_never_run(tmp_path, name, protocol):
    pickled = pickle.dumps(Trap(tmp_path / "ran"), protocol)
    path = write_lmdb(tmp_path / "a.lmdb", [0, 0], **{name: pickled})
    with pytest.raises(InputError, match=rf"record {name} is (pickled|no msgpack)" if protocol < 2 else "is pickled"):
        read_lmdb(path)
    assert not (tmp_path / "ran").exists()


def test_refuses_what_is_no_lmdb(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist: give the path of an \.lmdb file"):
        read_lmdb(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"expected data\.mdb or a single \.lmdb file, found none"):
        read_lmdb(tmp_path)
    for name, content in [("a.lmdb", b""), ("b.lmdb", b"junk" * 9999)]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} is no readable LMDB \(.*\): copy the file again"):
            read_lmdb(tmp_path / name)
    with pytest.raises(InputError, match=r"found a\.lmdb, b\.lmdb"):
        read_lmdb(tmp_path)
    with pytest.raises(InputError, match=r"holds no images"):
        read_lmdb(write_lmdb(tmp_path / "c.lmdb", [], []))


@pytest.mark.parametrize("kept", [4096, 8192, 20000, -4096, -1])
def test_a_truncated_file_is_refused_rather_than_read_past_its_end(tmp_path, kept):
    path = write_lmdb(tmp_path / "a.lmdb", [0] * 40, [picture(size=64)] * 40)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    expected = rf"ends at byte {len(whole[:kept])} of {len(whole)}: it is truncated|is no readable LMDB"
    with pytest.raises(InputError, match=expected):
        read_lmdb(path)


def test_an_unreadable_image_is_named_when_its_turn_comes(tmp_path):
    images = [picture()] * 100
    images[1] = picture()[:40]
    faces = read_lmdb(write_lmdb(tmp_path / "a.lmdb", [0] * 100, images))
    assert next(faces).key == "0"
    with pytest.raises(InputError, match=r"a\.lmdb: record 1 holds no readable image"):
        next(faces)


def test_warns_of_swapped_colours(tmp_path, caplog):
    blue = np.full((8, 8, 3), (90, 100, 140), np.uint8)
    with caplog.at_level(logging.WARNING):
        read_lmdb(write_lmdb(tmp_path / "rgb.lmdb", [0, 1]))
        assert caplog.messages == []
        read_lmdb(write_lmdb(tmp_path / "bgr.lmdb", [0, 1], [encode_image(blue, "jpeg")] * 2))
    assert "red and blue may have been swapped" in caplog.text and "bgr" in caplog.text


def test_a_file_may_be_read_twice_at_a_time(tmp_path):
    count = ROWS_AT_ONCE + 3
    path = write_lmdb(tmp_path / "a.lmdb", [0] * count, [picture()] * count)
    first, second = read_lmdb(path), read_lmdb(path)
    assert sum(a == b for a, b in zip(first, second, strict=True)) == count
    next(read_lmdb(path))  # abandoned half way
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment:
        assert environment.stat()["entries"] == count + 2


def test_no_more_than_a_block_is_taken_out_of_the_file_at_a_time(tmp_path, monkeypatch):
    """The file is mapped for the length of a block, and closed whenever a face is handed over."""
    monkeypatch.setattr("semihard.sources.lmdb_faces.ROWS_AT_ONCE", 4)
    path = write_lmdb(tmp_path / "a.lmdb", [0] * 10)
    faces = read_lmdb(path)
    next(faces)
    write_lmdb(path, [0] * 10, [picture(seed, 20) for seed in range(10)])
    sizes = [len(face.image) for face in faces]
    assert max(sizes[:3]) < min(sizes[3:])

"""RecordIO against mxnet's own bytes, by round trips, and with every way a file can be wrong."""

import json
import logging
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.errors import InputError
from semihard.sources.readers.recordio import read_faces
from semihard.sources.recordio import HEADER, MAGIC, open_recordio
from semihard.sources.recordio_writer import RecordIOWriter, encode_record
from semihard.storage.pixels import encode_image

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "recordio.json").read_text())
MXNET_REC = bytes.fromhex(VECTORS["magic.rec (mxnet 1.9.1, 8 records)"])
MXNET_PAYLOADS = [bytes.fromhex(payload) for payload in VECTORS["payloads"]]
FACES = os.environ.get("SEMIHARD_FACES")
needs_faces = pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")


def picture(seed: int = 0, size: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 200, (size, size, 3), np.uint8)
    return encode_image(pixels + np.array([40, 20, 0], np.uint8), "png")


def write_rec(
    folder: Path, labels: list[float], images: list[bytes] | None = None, *, index: bool = True, first_key: int = 0
) -> Path:
    """im2rec's layout: no header record."""
    images = images or [picture(seed) for seed in range(len(labels))]
    records = [
        encode_record(HEADER.pack(0, label, key, 0) + image)
        for key, (label, image) in enumerate(zip(labels, images, strict=True), first_key)
    ]
    offsets = np.cumsum([0, *map(len, records)])
    folder.mkdir(exist_ok=True)
    (folder / "train.rec").write_bytes(b"".join(records))
    if index:
        lines = [f"{key}\t{offset}\n" for key, offset in enumerate(offsets[:-1], first_key)]
        (folder / "train.idx").write_text("".join(lines))
    return folder


def write_exported(folder: Path, identities: list[str]) -> list[bytes]:
    images = [picture(seed) for seed in range(len(identities))]
    with RecordIOWriter(folder, (16, 16)) as writer:
        for image, identity in zip(images, identities, strict=True):
            writer.add(image, identity)
    return images


def test_records_encode_to_the_bytes_mxnet_writes():
    records = (
        encode_record(HEADER.pack(0, label, key, 0) + payload)
        for key, (label, payload) in enumerate(zip(VECTORS["labels"], MXNET_PAYLOADS, strict=True))
    )
    assert b"".join(records) == MXNET_REC


@pytest.mark.parametrize("with_index", [True, False])
def test_reads_the_bytes_mxnet_wrote(tmp_path, with_index):
    (tmp_path / "magic.rec").write_bytes(MXNET_REC)
    if with_index:
        (tmp_path / "magic.idx").write_text(VECTORS["magic.idx"])
    records = open_recordio(tmp_path)
    assert [records.encoded(row) for row in records.images] == MXNET_PAYLOADS
    assert records.labels.tolist() == VECTORS["labels"]
    assert [f"{key}\t{offset}" for key, offset in zip(records.keys, records.offsets, strict=True)] == VECTORS[
        "magic.idx"
    ].split("\n")[:-1]


payloads = st.lists(st.one_of(st.just(MAGIC), st.just(MAGIC[:2]), st.binary(max_size=9)), max_size=8).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(
    images=st.lists(payloads, min_size=1, max_size=5),
    ids=st.sampled_from([0, 7, struct.unpack("<I", MAGIC)[0], struct.unpack("<Q", MAGIC * 2)[0]]),
    labels=st.lists(st.floats(width=32, allow_nan=False), max_size=3),
)
def test_what_was_written_is_read_back_whatever_holds_the_magic(tmp_path_factory, images, ids, labels):
    label = labels[0] if labels else 5.0
    header = HEADER.pack(len(labels), 5.0, ids, ids) + struct.pack(f"<{len(labels)}f", *labels)
    path = tmp_path_factory.mktemp("rec") / "a.rec"
    # A plain record goes first: an empty one with labels and key 0 would be InsightFace's header.
    path.write_bytes(b"".join(map(encode_record, [HEADER.pack(0, 1, 0, 0) + b"image", *(header + i for i in images)])))
    records = open_recordio(path)
    assert [records.encoded(row) for row in records.images] == [b"image", *images]
    assert records.labels.tolist() == [1.0, *[label] * len(images)]


def test_exports_insightface_layout(tmp_path):
    images = write_exported(tmp_path / "set", ["Zoe", "Zoe", "Abe", "Bob", "Bob", "Bob"])
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == [
        "identity_names.txt",
        "property",
        "train.idx",
        "train.rec",
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]
    assert (tmp_path / "set" / "property").read_text() == "3,16,16"
    records = open_recordio(tmp_path / "set")
    assert records.keys.tolist() == list(range(1 + 6 + 3))
    assert records.images.tolist() == [1, 2, 3, 4, 5, 6]
    spans = [struct.unpack("<2f", records.payload(row)[HEADER.size : HEADER.size + 8]) for row in (0, 7, 8, 9)]
    assert spans == [(7, 10), (1, 3), (3, 4), (4, 7)]
    faces = list(read_faces(tmp_path / "set"))
    assert [face.image for face in faces] == images
    assert [face.identity for face in faces] == ["Zoe", "Zoe", "Abe", "Bob", "Bob", "Bob"]
    assert [face.key for face in faces] == ["1", "2", "3", "4", "5", "6"]
    (tmp_path / "set" / "train.idx").unlink()
    assert list(read_faces(tmp_path / "set")) == faces


def test_images_that_hold_the_magic_survive_the_export(tmp_path):
    image = picture()
    image += bytes(-len(image) % 4) + MAGIC * 3 + b"xyz" + MAGIC
    with RecordIOWriter(tmp_path / "set") as writer:
        writer.add(image, "a")
    assert [face.image for face in read_faces(tmp_path / "set")] == [image]


def test_export_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), RecordIOWriter(tmp_path / "set") as writer:
        writer.add(picture(), "a")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_export_refuses_a_folder_with_content_and_scattered_identities(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    with pytest.raises(InputError, match="old is not empty: remove it"):
        RecordIOWriter(tmp_path / "old")
    for names in (["a", "b", "a"], [""], ["two\nlines"]):
        with pytest.raises(InputError, match="must be a name of one line whose faces follow each other"):
            write_exported(tmp_path / "set", names)


def test_reads_im2rec_layout_in_key_order_whatever_the_index_order(tmp_path):
    write_rec(tmp_path, [2, 0, 1, 1], first_key=5)
    faces = list(read_faces(tmp_path))
    assert [face.identity for face in faces] == ["2", "0", "1", "1"]
    assert [face.key for face in faces] == ["5", "6", "7", "8"]
    lines = (tmp_path / "train.idx").read_text().splitlines(keepends=True)
    (tmp_path / "train.idx").write_text("".join(lines[i] for i in (2, 0, 3, 1)))
    assert list(read_faces(tmp_path)) == faces
    assert list(read_faces(tmp_path / "train.rec")) == faces
    assert {face.identity for face in read_faces(tmp_path, labelled=False)} == {""}


def test_a_first_record_with_several_labels_and_an_image_is_an_image(tmp_path):
    payload = HEADER.pack(2, 0, 0, 0) + struct.pack("<2f", 0, 1) + picture()
    (tmp_path / "a.rec").write_bytes(encode_record(payload))
    assert [(face.identity, face.image) for face in read_faces(tmp_path)] == [("0", picture())]


def test_names_come_from_the_file_beside_the_records_or_the_one_given(tmp_path):
    write_rec(tmp_path, [1, 0])
    assert [face.identity for face in read_faces(tmp_path)] == ["1", "0"]
    (tmp_path / "other.txt").write_text("Änne\nBea\nnobody\n", encoding="utf-8")
    assert [face.identity for face in read_faces(tmp_path, identity_names=tmp_path / "other.txt")] == ["Bea", "Änne"]
    (tmp_path / "identity_names.txt").write_text("x\ny\n")
    assert [face.identity for face in read_faces(tmp_path)] == ["y", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("x\n", "names 1 identities but the largest label is 1"), ("x\nx\n", "line 2, 'x', is empty or a repetition")],
)
def test_refuses_names_that_do_not_fit(tmp_path, text, message):
    write_rec(tmp_path, [1, 0])
    (tmp_path / "identity_names.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_faces(tmp_path)
    with pytest.raises(InputError, match=r"absent\.txt does not exist"):
        read_faces(tmp_path, identity_names=tmp_path / "absent.txt")


def test_identities_of_dcfaces_release_come_from_its_list(tmp_path):
    """There every label is 0, and the path says who it is."""
    write_rec(tmp_path, [0, 0, 0])
    (tmp_path / "list.txt").write_text("0\t12/0.jpg\t0\n1\t12/1.jpg\n2\troot/7/0.jpg\n")
    assert [face.identity for face in read_faces(tmp_path)] == ["12", "12", "7"]
    (tmp_path / "list.txt").write_text("0\t12/0.jpg\n2\t7/0.jpg\n")
    with pytest.raises(InputError, match=r"list.txt has no line for record 1 \(1 of 3 lack one\)"):
        read_faces(tmp_path)
    (tmp_path / "list.txt").write_text("0\t0.jpg\n")
    with pytest.raises(InputError, match="line 1 is not `key<tab>identity/image`"):
        read_faces(tmp_path)


@pytest.mark.parametrize("label", [-1, 0.5, float("nan"), float("inf")])
def test_refuses_labels_that_are_no_class_numbers(tmp_path, label):
    write_rec(tmp_path, [0, label])
    with pytest.raises(InputError, match=rf"record 1 has label {label:g}: .* set labelled: false"):
        read_faces(tmp_path)
    assert len(list(read_faces(tmp_path, labelled=False))) == 2


def test_refuses_gaps_in_the_labels_unless_told(tmp_path):
    write_rec(tmp_path, [0, 1, 3, 6])
    with pytest.raises(
        InputError, match=r"3 of the labels 0 to 6 have no image, label 2 is the first.*label_gaps: renum"
    ):
        read_faces(tmp_path)
    assert [face.identity for face in read_faces(tmp_path, label_gaps="renumber")] == ["0", "1", "3", "6"]


def test_a_missing_source_says_where_casia_webface_comes_from(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere does not exist.*faces_webface_112x112.*490,623.*10,572.*non-commercial"
    ):
        read_faces(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"expected train.rec or a single .rec file, found none"):
        read_faces(tmp_path)
    for name in ("a.rec", "b.rec"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"found a.rec, b.rec"):
        read_faces(tmp_path)
    with pytest.raises(InputError, match=r"a.rec is empty"):
        read_faces(tmp_path / "a.rec")


@pytest.mark.parametrize("with_index", [True, False])
def test_a_truncated_file_names_the_record_and_the_byte(tmp_path, with_index):
    rec = write_rec(tmp_path, [0, 1, 2], index=with_index) / "train.rec"
    whole = rec.read_bytes()
    last = whole.rindex(MAGIC)
    rec.write_bytes(whole[:-8])
    with pytest.raises(
        InputError, match=rf"record 2 at byte {last} should hold \d+ bytes but .* ends at byte {len(whole) - 8}"
    ):
        open_recordio(tmp_path)
    rec.write_bytes(whole[: last + 4])
    message = rf"record 2 should begin at byte {last}, but" if with_index else rf"record 2 at byte {last} is cut off"
    with pytest.raises(InputError, match=message):
        open_recordio(tmp_path)


def test_refuses_an_index_that_does_not_fit(tmp_path):
    index = write_rec(tmp_path, [0, 1]) / "train.idx"
    for text, message in [
        ("0\t0\n1\t123456789\n", "record 1 should begin at byte 123456789, but the .rec ends at byte"),
        ("0\t0\n1\t-4\n", "record 1 should begin at byte -4"),
        ("0\t0\n1\t4\n", "record 1: no record begins at byte 4"),
        ("0\t0\n0\t0\n", "key 0 is listed twice"),
        ("0\t0\none\t4\n", "expected lines of a record key and a byte offset"),
        ("0\n1\n", "expected lines of a record key and a byte offset"),
        ("\n", "lists no records"),
    ]:
        index.write_text(text)
        with pytest.raises(InputError, match=message):
            open_recordio(tmp_path)


def test_refuses_an_index_into_the_middle_of_a_record(tmp_path):
    record = encode_record(HEADER.pack(0, 0, 0, 0) + MAGIC * 2)
    (tmp_path / "a.rec").write_bytes(record)
    (tmp_path / "a.idx").write_text(f"0\t{record.index(MAGIC, 4)}\n")
    with pytest.raises(InputError, match=r"record 0: no record begins at byte 32"):
        open_recordio(tmp_path)


def test_refuses_damaged_records(tmp_path):
    rec = tmp_path / "a.rec"
    rec.write_bytes(b"not a record at all")
    with pytest.raises(InputError, match=r"record 0: no record begins at byte 0"):
        open_recordio(rec)
    rec.write_bytes(encode_record(b"short"))
    with pytest.raises(InputError, match=r"record 0 at byte 0 has 5 bytes, too few for its label header"):
        open_recordio(rec)
    rec.write_bytes(encode_record(HEADER.pack(9, 0, 0, 0) + bytes(8)))
    with pytest.raises(InputError, match=r"record 0 at byte 0 has 32 bytes, too few"):
        open_recordio(rec)


def test_a_record_without_an_image_is_named_by_its_key(tmp_path):
    labels = [0.0] * 100
    images = [picture()] * 100
    images[1] = picture()[:40]
    faces = read_faces(write_rec(tmp_path, labels, images, first_key=3))
    assert next(faces).key == "3"
    with pytest.raises(InputError, match=r"train.rec: record 4 holds no readable image"):
        next(faces)


def test_an_index_with_fewer_images_than_the_header_promises_is_refused(tmp_path):
    write_exported(tmp_path / "set", ["a", "a", "b"])
    index = tmp_path / "set" / "train.idx"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(InputError, match=r"header promises 3 images, 2 are there and record 2 is the first missing"):
        open_recordio(tmp_path / "set")


def test_warns_of_swapped_colours(tmp_path, caplog):
    write_rec(tmp_path / "rgb", [0, 1])
    blue = np.full((8, 8, 3), (90, 100, 140), np.uint8)
    write_rec(tmp_path / "bgr", [0, 1], [encode_image(blue, "jpeg")] * 2)
    with caplog.at_level(logging.WARNING):
        read_faces(tmp_path / "rgb")
        assert caplog.messages == []
        read_faces(tmp_path / "bgr")
    assert "red and blue may have been swapped" in caplog.text and "bgr" in caplog.text


def test_memory_grows_by_the_index_alone(tmp_path):
    image = picture(size=40)
    n = 1500  # more than one block of headers

    def peak(count: int) -> int:
        folder = write_rec(tmp_path / str(count), [0.0] * count, [image] * count)
        tracemalloc.start()
        assert sum(1 for _ in read_faces(folder)) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    small, large = peak(n), peak(4 * n)
    index_bytes_per_record = 150
    assert large - small < 3 * n * index_bytes_per_record < 3 * n * len(image) / 20


@needs_faces
def test_real_sets_have_their_published_counts():
    faces = list(read_faces(Path(FACES) / "faces_lfw_train_112x112"))
    assert (len(faces), len({face.identity for face in faces})) == (10_845, 4_905)
    assert (faces[0].identity, faces[0].key, faces[-1].key) == ("AJ_Cook", "1", "10845")
    records = open_recordio(Path(FACES) / "faces_fairface_112x112")
    assert (len(records.images), records.keys[0], records.keys[-1]) == (7_500, 0, 7_499)
    face = next(read_faces(records.path, labelled=False))
    assert (face.identity, face.key) == ("", "0")


@needs_faces
def test_a_real_set_is_scanned_to_its_own_index(tmp_path):
    rec = Path(FACES) / "faces_lfw_train_112x112" / "train.rec"
    (tmp_path / "train.rec").symlink_to(rec)
    scanned, indexed = open_recordio(tmp_path), open_recordio(rec)
    for field in ("keys", "offsets", "labels", "images"):
        np.testing.assert_array_equal(getattr(scanned, field), getattr(indexed, field))

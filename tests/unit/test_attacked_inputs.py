"""Inputs that once gave a wrong result without a word, or a traceback: each is one sentence now."""

import struct
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.similarity.import_embedder import import_embedder
from semihard.similarity.settings import WeightsEmbedder
from semihard.sources.lmdb_faces import read_lmdb
from semihard.sources.pairs import parse_pairs
from semihard.sources.readers.recordio import read_faces
from semihard.sources.recordio import HEADER, PREFIX, open_recordio
from semihard.sources.recordio_writer import encode_record
from semihard.sources.text_file import read_lines
from tests.unit.test_lmdb_faces import write_lmdb
from tests.unit.test_pairs import write_list
from tests.unit.test_recordio import picture, write_exported

# ── RecordIO ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def exported(tmp_path) -> Path:
    """Six images of three people, in InsightFace's layout."""
    write_exported(tmp_path / "set", ["a", "a", "b", "b", "c", "c"])
    return tmp_path / "set"


def test_an_index_cut_at_a_line_end_is_no_index(exported):
    index = exported / "train.idx"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[:4]))
    with pytest.raises(InputError, match=r"train\.idx lists 4 records, which end at byte \d+ of \d+: it is cut"):
        open_recordio(exported)
    index.unlink()
    assert len(list(read_faces(exported))) == 6


def test_two_keys_at_one_place_are_refused(exported):
    index = exported / "train.idx"
    lines = index.read_text().splitlines()
    lines[3] = f"3\t{lines[2].split()[1]}"
    index.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"train\.idx: record 3 begins at byte \d+ as another one does"):
        open_recordio(exported)


def promise(folder: Path, value: float) -> None:
    """Let the header, record 0 of train.rec, say that identities begin at `value`."""
    rec = bytearray((folder / "train.rec").read_bytes())
    rec[PREFIX.size + HEADER.size : PREFIX.size + HEADER.size + 4] = struct.pack("<f", value)
    (folder / "train.rec").write_bytes(rec)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3.0, 0.0, 6.5])
def test_a_header_that_is_no_count_is_refused(exported, value):
    promise(exported, value)
    with pytest.raises(InputError, match=r"its header, record 0, says that identities begin at "):
        open_recordio(exported)


def test_a_header_alone_is_no_training_set(exported):
    rec, lines = (exported / "train.rec").read_bytes(), (exported / "train.idx").read_text().splitlines()
    end = int(lines[1].split()[1])
    (exported / "train.rec").write_bytes(rec[:end])
    promise(exported, 1)
    (exported / "train.idx").write_text(f"{lines[0]}\n")
    with pytest.raises(InputError, match="holds 1 records and no image"):
        open_recordio(exported)


@pytest.mark.parametrize("value", [2.0**24, 1e30])
def test_a_header_that_promises_far_more_is_refused(exported, value):
    promise(exported, value)
    with pytest.raises(InputError, match=r"its header promises \d+ images, 6 are there"):
        open_recordio(exported)


def header(first: float, labels: int = 2) -> bytes:
    return HEADER.pack(labels, 0, 0, 0) + struct.pack(f"<{labels}f", *[first, first + 1][:labels])


def image(key: int) -> bytes:
    return HEADER.pack(0, key - 1, key, 0) + picture(key)


def empty(key: int) -> bytes:
    return HEADER.pack(0, key - 1, key, 0)


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize(
    ("payloads", "message"),
    [
        ([header(7)], "promises 6 images, 0 are there and record 1 is the first missing one"),
        ([header(1)], "holds 1 records and no image"),
        ([header(0, labels=0), image(1)], "says that identities begin at 0"),
        ([header(3), empty(1), empty(2)], "record 1 holds no readable image"),
        ([header(3), image(1), empty(2)], "record 2 holds no readable image"),
        ([header(3), image(1), b""], r"record 2 at byte \d+ has 0 bytes, too few for its label header"),
        ([b""], "record 0 at byte 0 has 0 bytes"),
        ([b"", b"", b""], "record 0 at byte 0 has 0 bytes"),
        ([b"abc", image(1)], "record 0 at byte 0 has 3 bytes"),
        ([struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0), image(1)], "record 0 at byte 0 has 24 bytes"),
        ([image(1), empty(2)], "record 1 holds no readable image"),
        ([empty(1), empty(2)], "record 0, says that identities begin at 0"),
    ],
)
def test_records_without_an_image_are_told(tmp_path, payloads, message, with_index):
    records = [encode_record(payload) for payload in payloads]
    (tmp_path / "train.rec").write_bytes(b"".join(records))
    if with_index:
        offsets = np.cumsum([0, *map(len, records)])[:-1]
        (tmp_path / "train.idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets)))
    with pytest.raises(InputError, match=message):
        list(read_faces(tmp_path, labelled=False))


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("blob", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\r\nb", ["a", "b"]),
        ("a\u2028b\n\x85c\n".encode(), ["a\u2028b", "\x85c"]),
        (b"", []),
    ],
)
def test_lines_end_where_they_do(tmp_path, blob, lines):
    (tmp_path / "names.txt").write_bytes(blob)
    assert read_lines(tmp_path / "names.txt") == lines


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        ("a\nJosé\n".encode("latin-1"), r"line 2 is not UTF-8 \(byte 0xe9; Latin-1\?\); save the file as UTF-8"),
        ("a\nb\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path, exported, blob, message):
    (exported / "identity_names.txt").write_bytes(blob)
    with pytest.raises(InputError, match=message):
        read_faces(exported)


# ── pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

GENUINE, IMPOSTOR = ["A\t1\t2", "B\t1\t2"], ["A\t1\tB\t1", "A\t2\tB\t2"]


def test_a_first_line_of_another_list_gives_no_folds(tmp_path):
    # two folds of two and two, said to be four of one and one: as many pairs, other folds
    listed = write_list(tmp_path, "4\t1", [*GENUINE, *IMPOSTOR, *GENUINE, *IMPOSTOR])
    with pytest.raises(InputError, match="promises 4 folds of 1 genuine and 1 impostor pairs, fold 1 has others"):
        parse_pairs(listed)
    assert (
        parse_pairs(write_list(tmp_path, "2\t2", [*GENUINE, *IMPOSTOR, *GENUINE, *IMPOSTOR]))[2].tolist()
        == [0] * 4 + [1] * 4
    )


@pytest.mark.parametrize(
    ("pair", "what"),
    [("A\t1\tA\t2", "two photographs of one person as an impostor pair"), ("A\t1\t1", "a photograph and itself")],
)
def test_pairs_that_cannot_be_are_refused(tmp_path, pair, what):
    with pytest.raises(InputError, match=f"line 3 pairs {what}"):
        parse_pairs(write_list(tmp_path, None, ["A\t1\t2", "A\t1\tB\t1", pair]))


# ── LMDB ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_listed_twice_is_no_second_image(tmp_path):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 1, 2], __keys__=msgpack.packb([b"0", b"1", b"1"]))
    with pytest.raises(InputError, match="__keys__ lists record 1 twice"):
        read_lmdb(path)


@pytest.mark.parametrize(
    "payload", [b"\xd6\xff\x00\x00\x00\x01", b"\xc7\x0c\xff" + b"\xff" * 12, b"\x92\xc4\x01x\xd6\xff\x00\x00\x00\x01"]
)
def test_a_timestamp_is_no_record(tmp_path, payload):
    path = write_lmdb(tmp_path / "a.lmdb", [0, 1], **{"1": payload})
    with pytest.raises(InputError, match="record 1 is no"):
        read_lmdb(path)


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.double() * 1e60, "holds values that are not finite in float32"),
        (lambda value: value.to(torch.int8), "is int8, expected floating point"),
        (lambda value: value.to_sparse(), "is sparse_coo, expected floating point"),
        (lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8), "is qint8, expected floating point"),
        (lambda value: value.to(torch.complex64), "is complex64, expected floating point"),
    ],
)
def test_weights_of_another_kind_are_named(tmp_path, change, message):
    weights = build_backbone("iresnet18", (112, 112), 512).state_dict()
    weights["fc.weight"] = change(weights["fc.weight"])
    torch.save(weights, tmp_path / "w.pt")
    settings = WeightsEmbedder(source="weights", path=str(tmp_path / "w.pt"), layout="iresnet18")
    with pytest.raises(InputError, match=f"tensor 'fc.weight' {message}|not a readable weight file"):
        import_embedder(settings, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("state", [{0: torch.zeros(2)}, {"state_dict": [torch.zeros(2)]}, [torch.zeros(2)], {"a": 1}])
def test_what_is_no_state_dict_is_said(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    settings = WeightsEmbedder(source="weights", path=str(tmp_path / "w.pt"), layout="iresnet18")
    with pytest.raises(InputError, match="holds no tensors by name; expected a state dict"):
        import_embedder(settings, tmp_path / "model")

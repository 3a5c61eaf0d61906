"""A face set in the forms of others: read back by their own libraries, with its card, its checksums, and never half."""

import csv
import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
import yaml
from datasets import load_dataset
from PIL import Image

from semihard.errors import InputError
from semihard.settings.registry import names_of
from semihard.sources.export import export_faces
from semihard.sources.export_forms import parquet
from semihard.sources.importing import import_faces
from semihard.sources.readers.recordio import read_faces
from semihard.sources.recordio import HEADER, open_recordio
from semihard.sources.settings import RecordIOFaces
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance

FORMS = list(names_of("sources.export_forms"))


def test_exports_can_be_read_again(tmp_path, small_faceset):
    source = FaceSet(small_faceset)
    names = [source.identity_names[k] for k in source.identity]
    export_faces(small_faceset, tmp_path / "rec", "recordio")
    import_faces(RecordIOFaces(source="recordio", path=str(tmp_path / "rec")), tmp_path / "r.h5", Provenance())
    again = FaceSet(tmp_path / "r.h5")
    assert [again.encoded(i) for i in range(40)] == [source.encoded(i) for i in range(40)]
    assert [again.identity_names[k] for k in again.identity] == names

    export_faces(small_faceset, tmp_path / "folder", "folder")
    with (tmp_path / "folder" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["identity"] for row in rows] == names
    assert (tmp_path / "folder" / rows[7]["path"]).read_bytes() == source.encoded(7)

    export_faces(small_faceset, tmp_path / "wds", "webdataset")
    with tarfile.open(tmp_path / "wds" / "000000.tar") as tar:
        assert tar.extractfile("00000007.png").read() == source.encoded(7)
        assert int(tar.extractfile("00000007.cls").read()) == source.identity[7]


def mixed_set(path: Path) -> Path:
    """Six images of three identities, one of which is only ever the lighter part; two are mixed, one is a copy."""
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    names = ["a, the first", "a, the first", "b\u2028b", "b\u2028b", "c", "c"]
    columns = {"m": np.float32([np.nan, 0.5, 0, 0, 0.5, 0.5])}
    columns |= {"partner": np.int32([-1, 1, -1, 0, 0, 1]), "phi": np.float32([1, 0.7, 1, 0.1, 0.2, 0.45])}
    attrs = {"source": "synthesis", "licence": "research only", "alignment": "arcface"}
    with FaceSetWriter(path, (16, 16), "png", Provenance("gather_shards", {"similarity": 0.5}), attrs) as writer:
        writer.add(images, names, columns | {"inquiry_copy": np.int8([1, 0, 0, 0, 0, 0])})
    return path


LABELS = [0, 0, 1, 0, 0, 1]  # φ 0.1, 0.2 and 0.45 are less than half: the partner's
OTHERS = [-1, 1, -1, 1, 2, 2]
WEIGHTS = [1, 0.7, 1, 0.9, 0.8, 0.55]


def test_mixed_labels_leave_whole(tmp_path):
    source = mixed_set(tmp_path / "m.h5")
    images = [FaceSet(source).encoded(i) for i in range(6)]

    export_faces(source, tmp_path / "folder", "folder")
    with (tmp_path / "folder" / "labels.csv").open(newline="") as file:
        rows = {int(Path(row["path"]).stem): row for row in csv.DictReader(file)}
    assert [int(rows[i]["label"]) for i in range(6)] == LABELS and [
        int(rows[i]["other_label"]) for i in range(6)
    ] == OTHERS
    assert [float(rows[i]["weight"]) for i in range(6)] == pytest.approx(WEIGHTS)
    assert rows[0]["identity"] == "a, the first" and rows[3]["other_identity"] == "b\u2028b"
    assert [int(rows[i]["inquiry_copy"]) for i in range(6)] == [1, 0, 0, 0, 0, 0]
    assert all((tmp_path / "folder" / rows[i]["path"]).read_bytes() == images[i] for i in range(6))

    export_faces(source, tmp_path / "wds", "webdataset")
    with tarfile.open(tmp_path / "wds" / "000000.tar") as tar:
        for i in range(6):
            said = json.loads(tar.extractfile(f"{i:08d}.json").read())
            assert (said["label"], said["other_label"]) == (LABELS[i], OTHERS[i])
            assert (
                said["weight"] == pytest.approx(WEIGHTS[i]) and int(tar.extractfile(f"{i:08d}.cls").read()) == LABELS[i]
            )

    export_faces(source, tmp_path / "rec", "recordio")
    records = open_recordio(tmp_path / "rec")
    for row in records.images:
        payload = records.payload(row)
        i, (count, label, _, _) = images.index(records.encoded(row)), HEADER.unpack_from(payload)
        values = struct.unpack_from(f"<{count}f", payload, HEADER.size) if count else (label,)
        expected = (LABELS[i], OTHERS[i], WEIGHTS[i]) if OTHERS[i] >= 0 else (LABELS[i],)
        assert values == pytest.approx(expected)
    assert (tmp_path / "rec" / "identity_names.txt").read_text() == "a, the first\nb\u2028b\nc\n"
    assert (tmp_path / "rec" / "property").read_text() == "3,16,16"
    assert {face.identity for face in read_faces(tmp_path / "rec", label_gaps="renumber")} == {
        "a, the first",
        "b\u2028b",
    }

    for folder in ("folder", "wds", "rec"):
        about = json.loads((tmp_path / folder / "about.json").read_text())
        assert (
            about["licence"] == "research only" and about["source"] == "synthesis" and about["alignment"] == "arcface"
        )
        assert about["mixed_labels"] and about["rule"] == "gather_shards" and about["images"] == 6


def test_datasets_loads_parquet_pixel_by_pixel(tmp_path, small_faceset, monkeypatch):
    monkeypatch.setattr(parquet, "BYTES_PER_FILE", 20_000)  # several files
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 7)
    source = FaceSet(small_faceset)
    export_faces(small_faceset, tmp_path / "out", "parquet")
    assert len(list((tmp_path / "out/data").iterdir())) > 1
    found = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(found) == 40 and found.features["label"].names == list(source.identity_names)
    for i, row in enumerate(found):
        assert np.array_equal(np.asarray(row["image"]), source.images([i])[0])
        assert row["label"] == source.identity[i] and row["identity"] == source.identity_names[row["label"]]


def test_mixed_labels_are_columns_of_parquet(tmp_path):
    export_faces(mixed_set(tmp_path / "m.h5"), tmp_path / "out", "parquet")
    found = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    order = np.argsort(LABELS, kind="stable")
    assert found["label"][:] == [LABELS[i] for i in order] and found["other_label"][:] == [OTHERS[i] for i in order]
    assert found["weight"][:] == pytest.approx([WEIGHTS[i] for i in order])
    assert found["inquiry_copy"][:] == [1 if i == 0 else 0 for i in order]


def test_webdataset_reads_its_tars_pixel_by_pixel(tmp_path, small_faceset):
    source = FaceSet(small_faceset)
    export_faces(small_faceset, tmp_path / "out", "webdataset")
    reader = webdataset.WebDataset(str(tmp_path / "out/000000.tar"), shardshuffle=False).decode("rgb8")
    for row in (rows := list(reader)):
        i = int(row["__key__"])
        assert np.array_equal(row["png"], source.images([i])[0]) and row["cls"] == source.identity[i]
        assert row["json"]["identity"] == source.identity_names[row["cls"]]
    assert len(rows) == 40


def test_a_second_reader_of_recordio_sees_the_same_pixels(tmp_path, small_faceset):
    """By MXNet's own description of the format: magic, length, header of a flag, a float and two ids, padded to four bytes."""
    source = FaceSet(small_faceset)
    export_faces(small_faceset, tmp_path / "out", "recordio")
    records = (tmp_path / "out/train.rec").read_bytes()
    offsets = dict(line.split("\t") for line in (tmp_path / "out/train.idx").read_text().splitlines())
    for i in range(40):
        start = int(offsets[str(i + 1)])
        magic, length = struct.unpack_from("<II", records, start)
        flag, label, key, _ = struct.unpack_from("<IfQQ", records, start + 8)
        assert magic == 0xCED7230A and length >> 29 == 0 and flag == 0 and key == i + 1 and label == source.identity[i]
        image = Image.open(io.BytesIO(records[start + 8 + 24 : start + 8 + length]))
        assert np.array_equal(np.asarray(image), source.images([i])[0])


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_its_card_and_its_checksums(tmp_path, form):
    audit = {
        "faceset": "m",
        "leakage": {"real": {"matching": {"value": 0.25, "low": 0.125, "high": 0.5}, "null": "others"}},
        "diversity": {"vendi": {"value": 3.0, "low": None, "high": None}},
    }
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    export_faces(mixed_set(tmp_path / "m.h5"), out := tmp_path / "out", form, tmp_path / "audit.json")
    head, _, text = (out / "README.md").read_text().removeprefix("---\n").partition("---\n")
    about = yaml.safe_load(head)
    assert (
        about["pretty_name"] == "m"
        and about["size_categories"] == ["n<1K"]
        and ("configs" in about) == (form == "parquet")
    )
    for line in ("# m", "| images | 6 |", "| identities | 3 |", "| licence | research only |", "| two labels with a weight | yes |", "| similarity m asked for | 0, 0.5 |",
                 "| φ of the identity mixup | 0.1, 0.2, 0.45, 0.7, 1 |",
                 "## Made by `gather_shards`", "| `similarity` | 0.5 |",
                 "| leakage, against real | matching | 0.25 [0.125, 0.5] |", "| diversity | vendi | 3 |"):  # fmt: skip
        assert f"{line}\n" in text, line
    listed = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(listed) == files and len(files) > 2
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == value for name, value in listed.items())


def test_a_card_says_what_is_not_stated(tmp_path, small_faceset):
    export_faces(small_faceset, tmp_path / "out", "folder")
    assert "| licence | not stated; ask whoever made it" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_whole_or_not_there(tmp_path, small_faceset, form, monkeypatch):
    encoded = FaceSet.encoded

    def until(self, i):
        if i == 30:
            raise OSError("no space left")
        return encoded(self, i)

    monkeypatch.setattr(FaceSet, "encoded", until)
    with pytest.raises(OSError, match="no space left"):
        export_faces(small_faceset, tmp_path / "out" / form, form)
    assert not list((tmp_path / "out").iterdir())
    monkeypatch.undo()
    (tmp_path / "out" / form).mkdir()  # Snakemake may have made it
    export_faces(small_faceset, tmp_path / "out" / form, form)
    with pytest.raises(InputError, match=r"is not empty: remove it, or export to another folder"):
        export_faces(small_faceset, tmp_path / "out" / form, form)

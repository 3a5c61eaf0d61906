"""LFW's list of pairs and its folder of images."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from semihard.errors import InputError
from semihard.sources.alignment import center_crop
from semihard.sources.benchmarks.csv import read as read_csv
from semihard.sources.pairs import contiguous_folds, parse_pairs, read_pairs
from semihard.sources.settings import CSVBenchmark
from semihard.storage.pixels import encode_image
from tests.unit.test_folder import CornerDetector, save

FACES = os.environ.get("SEMIHARD_FACES")


def write_list(folder: Path, header: str | None, pairs: list[str]) -> Path:
    path = folder / "pairs.txt"
    path.write_text("".join(f"{line}\n" for line in ([header] if header else []) + pairs))
    return path


GENUINE, IMPOSTOR = "Al_B\t1\t2", "Al_B\t1\tCy D\t12"
PAIRS = [GENUINE, IMPOSTOR] * 5


def test_reads_the_official_form(tmp_path):
    images, same, fold = parse_pairs(write_list(tmp_path, "5\t1", PAIRS))
    assert images[:4] == [("Al_B", 1), ("Al_B", 2), ("Al_B", 1), ("Cy D", 12)]
    assert same.tolist() == [True, False] * 5
    assert fold.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("header", ["5", "10", None])
def test_a_list_without_folds_gets_ten_contiguous_ones(tmp_path, header):
    images, same, fold = parse_pairs(write_list(tmp_path, header, PAIRS))
    assert (len(images), same.sum(), fold.tolist()) == (20, 5, list(range(10)))


def test_numbers_may_be_names_and_blanks_may_separate(tmp_path):
    images, same, _ = parse_pairs(write_list(tmp_path, None, ["17 1 2", "17 1 18 3"] * 5))
    assert images[:4] == [("17", 1), ("17", 2), ("17", 1), ("18", 3)]
    assert same.tolist() == [True, False] * 5


@pytest.mark.parametrize(("pairs", "folds"), [(10, 10), (1200, 2), (6000, 10), (7000, 10)])
def test_folds_are_contiguous_and_equal(pairs, folds):
    fold = contiguous_folds(pairs, "", folds)
    assert fold.dtype == np.int32 and (np.diff(fold) >= 0).all()
    assert np.bincount(fold).tolist() == [pairs // folds] * folds


def test_pairs_of_one_kind_or_in_one_fold_are_refused_at_the_import(tmp_path):
    from semihard.sources.benchmark_bin import write_bin
    from semihard.sources.importing import import_benchmark
    from semihard.sources.settings import BinBenchmark
    from semihard.storage.provenance import Provenance

    image = encode_image(np.zeros((8, 8, 3), np.uint8), "png")
    write_bin(tmp_path / "lfw.bin", [image] * 40, [True] * 20)
    with pytest.raises(
        InputError, match=r"lfw.bin: 20 genuine and 0 impostor pairs in 10 fold\(s\); verification needs both"
    ):
        settings = BinBenchmark(source="bin", path=str(tmp_path / "lfw.bin"))
        import_benchmark(settings, tmp_path / "f.h5", tmp_path / "p.h5", Provenance())
    assert not (tmp_path / "f.h5").exists()


@pytest.mark.parametrize(("pairs", "folds"), [(9, 10), (0, 2), (6001, 10), (1201, 2)])
def test_pairs_that_do_not_divide_into_the_folds_are_refused(pairs, folds):
    with pytest.raises(InputError, match=rf"lfw.bin has {pairs} pairs, which do not divide into {folds} folds"):
        contiguous_folds(pairs, "lfw.bin", folds)


@pytest.mark.parametrize(
    ("header", "pairs", "message"),
    [
        ("10\t300", PAIRS, r"its first line promises 6000 pairs but 10 follow: get a complete list"),
        ("5\t1", PAIRS[:9], r"promises 10 pairs but 9 follow"),
        ("5\t1", [*PAIRS, GENUINE], r"promises 10 pairs but 11 follow"),
        ("7", PAIRS, r"promises 14 pairs but 10 follow"),
        (None, PAIRS[:9], r"has 9 pairs, which do not divide into 10 folds"),
        (None, [], r"has 0 pairs"),
        ("5\t1", [*PAIRS[:3], "Al_B\t1", *PAIRS[4:]], r"line 5 is no pair: expected `name i j` or `name1 i name2 j`"),
        (None, [*PAIRS, "Al_B\tone\ttwo"], r"line 11 is no pair"),
    ],
)
def test_refuses_lists_that_are_wrong(tmp_path, header, pairs, message):
    with pytest.raises(InputError, match=r"pairs\.txt.*" + message):
        parse_pairs(write_list(tmp_path, header, pairs))


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(InputError, match=r"pairs\.txt does not exist"):
        read_pairs(tmp_path / "pairs.txt", tmp_path)


def test_every_image_comes_once_with_its_bytes(tmp_path):
    for name in ("Al_B/Al_B_0001.jpg", "Al_B/Al_B_0002.png", "Cy D/Cy D_0012.jpg"):
        save(tmp_path / name)
    pairs = read_pairs(write_list(tmp_path, "5\t1", PAIRS), tmp_path)
    assert [face.key for face in pairs.faces] == ["Al_B/Al_B_0001.jpg", "Al_B/Al_B_0002.png", "Cy D/Cy D_0012.jpg"]
    assert [face.identity for face in pairs.faces] == ["Al_B", "Al_B", "Cy D"]
    assert [face.image for face in pairs.faces] == [(tmp_path / face.key).read_bytes() for face in pairs.faces]
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0] * 10, [1, 2] * 5)
    assert (pairs.same.tolist(), pairs.fold.tolist()) == ([True, False] * 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert pairs.center_cropped == ()


def test_missing_images_are_refused_never_skipped(tmp_path):
    save(tmp_path / "Al_B" / "Al_B_0001.jpg")
    with pytest.raises(
        InputError, match=r"lacks 2 of the 3 images in \S+pairs\.txt: Al_B/Al_B_0002\.jpg, Cy D/Cy D_0012"
    ):
        read_pairs(write_list(tmp_path, "5\t1", PAIRS), tmp_path)
    many = [f"Al_B\t1\t{number}" for number in range(2, 12)]
    with pytest.raises(
        InputError, match=r"lacks 10 of the 11 .*Al_B_0006\.jpg, \.\.\.; leaving pairs out would change"
    ):
        read_pairs(write_list(tmp_path, None, many), tmp_path)


def test_images_of_several_sizes_are_refused_unless_aligned(tmp_path):
    save(tmp_path / "Al_B" / "Al_B_0001.jpg")
    save(tmp_path / "Al_B" / "Al_B_0002.jpg", size=(120, 112))
    with pytest.raises(InputError, match=r"Al_B_0002\.jpg has 120x112 pixels .* set align: mtcnn"):
        read_pairs(write_list(tmp_path, None, [GENUINE] * 10), tmp_path)


def test_a_photograph_without_a_face_keeps_its_place_as_center_crop(tmp_path, caplog):
    photo = save(tmp_path / "Al_B" / "Al_B_0001.png", 1, (250, 250))
    photo_without = save(tmp_path / "Al_B" / "Al_B_0002.png", 2, (250, 250))

    class Missing(CornerDetector):
        def detect(self, images):
            return [None if (image == photo_without).all() else self.template for image in images]

    with caplog.at_level(logging.WARNING):
        pairs = read_pairs(write_list(tmp_path, None, [GENUINE] * 10), tmp_path, Missing())
    np.testing.assert_array_equal(pairs.faces[0].image, photo[:112, :112])
    np.testing.assert_array_equal(pairs.faces[1].image, center_crop(photo_without, (112, 112)))
    assert pairs.center_cropped == ("Al_B/Al_B_0002.png",)
    assert "no face found in 1 of 2 photographs: their center is taken" in caplog.text


@pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")
def test_the_official_list():
    images, same, fold = parse_pairs(Path(FACES) / "benchmarks" / "lfw_pairs.txt")
    assert (len(images), len(set(images)), same.sum()) == (12_000, 7_701, 3_000)
    assert [same[fold == index].sum() for index in range(10)] == [300] * 10


# ── pairs in a CSV file ──


def csv_pairs(folder: Path, rows: list[str], head: str = "first,second,same") -> CSVBenchmark:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        save(folder / name, np.full((8, 8, 3), len(name), np.uint8))
    (folder / "pairs.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return CSVBenchmark(source="csv", path=str(folder / "pairs.csv"), folds=2)


GOOD = ["a/1.png,a/2.png,1", "a/1.png,b/1.png,0"]


def test_pairs_of_a_csv_file(tmp_path):
    found = read_csv(csv_pairs(tmp_path, GOOD * 2))
    assert [(face.identity, face.key) for face in found.faces] == [("a", "a/1.png"), ("a", "a/2.png"), ("b", "b/1.png")]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 0, 0, 0], [1, 2, 1, 2])
    assert (found.same.tolist(), found.fold.tolist()) == ([True, False] * 2, [0, 0, 1, 1])
    rows = [f"0{k % 2 + 4},{'yes'},{row},x" for k, row in enumerate(GOOD * 2)]
    settings = csv_pairs(tmp_path, rows, "fold,note,first,second,same,left over")
    assert read_csv(CSVBenchmark(source="csv", path=settings.path)).fold.tolist() == [0, 1, 0, 1]
    (tmp_path / "lists").mkdir()
    (tmp_path / "pairs.csv").rename(tmp_path / "lists/pairs.csv")
    elsewhere = CSVBenchmark(source="csv", path=str(tmp_path / "lists/pairs.csv"), folder=str(tmp_path))
    assert len(read_csv(elsewhere).faces) == 3


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (GOOD, "left,second,same", "has no column 'first'; its columns are left, second, same"),
        ([], "first,second,same", "has no pairs below its first line"),
        (["a/1.png,a/1.png,1"], "first,second,same", "line 2 pairs a photograph and itself"),
        ([*GOOD, "../x.png,a/1.png,1"], "first,second,same", r"line 4 names a photograph outside .*\(1 of 3 lines\)"),
        (["/etc/x.png,a/1.png,1"], "first,second,same", "line 2 names a photograph outside"),
        ([GOOD[0], "a/1.png,b/1.png,no"], "first,second,same", "line 3 does not say 1"),
        (
            ["a/1.png,a/9.png,1"],
            "first,second,same",
            r"lacks 1 of the 2 images in .*pairs\.csv: a/9\.png; leaving pairs out",
        ),
        (GOOD * 3, "first,second,same", None),
        (["a/1.png,a/2.png,1,x"], "first,second,same,fold", "leave `folds` out, or take the column out"),
        (["a/1.png,a/2.png,1,2"], "first,second,same", "rows and columns do not fit together"),
        (GOOD[:1], "first,second,same", "has 1 pairs, which do not divide into 2 folds"),
    ],
)
def test_a_csv_file_that_is_no_list_of_pairs(tmp_path, rows, head, said):
    settings = csv_pairs(tmp_path, rows, head)
    if said is None:
        assert len(read_csv(settings).same) == 6
        return
    with pytest.raises(InputError, match=said):
        read_csv(settings)


def test_a_fold_that_is_no_number_names_its_line(tmp_path):
    settings = csv_pairs(tmp_path, ["a/1.png,a/2.png,1,x"], "first,second,same,fold")
    with pytest.raises(InputError, match=r"line 2 has no whole number in `fold`"):
        read_csv(CSVBenchmark(source="csv", path=settings.path))

"""Attribute labels of people's own files: every format read, every bad file refused in a sentence, every image its row."""

import csv
import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from semihard.errors import InputError
from semihard.settings import registry
from semihard.sources import text_table
from semihard.sources.attribute_names import AGES, COLUMN, FAMILIES, GROUPS, IDENTITY_BOUND, MAAD_FACE, spelling
from semihard.sources.export import export_faces
from semihard.sources.importing import import_faces
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.rendered.stream import rendered_faces
from semihard.sources.settings import AttributeLabels, FolderFaces, RecordIOFaces, SubsetFaces
from semihard.sources.subset import subset_faces
from semihard.sources.union import unite_faces
from semihard.storage.faceset import FaceSet
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance

FACES = os.environ.get("SEMIHARD_FACES")


def join(tmp_path, text: str | bytes, format: str, **knobs):
    """The labels of a file, ready to be asked for."""
    path = tmp_path / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings = AttributeLabels(path=str(path), format=format, **knobs)
    return registry.load("sources.label_formats", format).read(settings)


def labels(tmp_path, text: str | bytes, format: str, keys: list[str], **knobs) -> dict[str, list[int]]:
    """The columns of images of these keys, by attribute."""
    columns = join(tmp_path, text, format, **knobs).of(keys)
    assert all(column.dtype == np.int8 for column in columns.values())
    return {name.removeprefix("attribute_"): column.tolist() for name, column in columns.items()}


def folder(root: Path, names: list[str]) -> FolderFaces:
    """A folder of images of noise."""
    random = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode_image(random.integers(0, 256, (8, 8, 3), np.uint8), "png"))
    return FolderFaces(source="folder", path=str(root))


def imported(tmp_path, settings, text: str, name: str = "f.h5", **knobs) -> FaceSet:
    (tmp_path / "labels.csv").write_text(text)
    knobs = {"path": str(tmp_path / "labels.csv"), "format": "table"} | knobs
    settings = settings.model_copy(update={"attributes": AttributeLabels(**knobs)})
    import_faces(settings, tmp_path / name, Provenance("import_faces"))
    return FaceSet(tmp_path / name)


# ── names ──


def test_every_way_to_write_a_name_is_one_spelling():
    for written in ("5 o' Clock Shadow", "5_o'clock_shadow", "5 o’Clock Shadow", "attribute_5_o_Clock_Shadow"):
        assert spelling(written) == "5_o_Clock_Shadow"
    assert spelling("middle aged") == spelling("Middle-Aged") == spelling("MiddleAged") == "Middle_Aged"
    assert spelling("Latino/Hispanic") == "Latino_Hispanic" and spelling("grey hair") == "Gray_Hair"
    assert spelling("wearing mask") == spelling("Wearing-Mask") == "Wearing_Mask"
    assert spelling("gender") == "Gender" and spelling("Strong Nose-Mouth Lines") == "Strong_Nose_Mouth_Lines"
    assert spelling(" ?") == ""


def test_known_names_and_the_renderers_are_spelt_so():
    rendered = next(iter(rendered_faces(1, 1, 0, size=32))).attributes
    known = {*MAAD_FACE, *AGES, *GROUPS, *IDENTITY_BOUND, *rendered}
    known |= {name for family in FAMILIES.values() for name in family}
    assert {name: spelling(name) for name in known} == {name: name for name in known}
    assert len(set(MAAD_FACE)) == 47 and len(AGES) == 9 and len(GROUPS) == 7
    assert not IDENTITY_BOUND & {*AGES, "Smiling", "Wearing_Hat", "Eyeglasses", "Blurry"}


# ── formats ──

CELEBA = "3\nSmiling 5_o_Clock_Shadow Male \n000001.jpg  1 -1 -1\n000002.jpg -1  1  1\n000003.jpg -1 -1  1\n"
CELEBA_KEYS = ["9/000003.png", "9/000001.jpg", "9/000002.jpg"]
CELEBA_LABELS = {"Smiling": [0, 1, 0], "5_o_Clock_Shadow": [0, 0, 1], "Male": [1, 0, 1]}


@pytest.mark.parametrize(
    "text",
    [
        CELEBA,
        CELEBA.replace("\n", "\r\n"),
        "\ufeff" + CELEBA,
        "image_id,Smiling,5 o'Clock Shadow,Male\n000001.jpg,1,-1,-1\n000002.jpg,-1,1,1\n000003.jpg,-1,-1,1\n",
        "image_id,Smiling,5_o_Clock_Shadow,Male\r\n000001.jpg,1,0,0\r\n000002.jpg,0,1,1\r\n000003.jpg,0,0,1",
        "\ufeffimage_id,Smiling,5_o_Clock_Shadow,Male\n000001.jpg,1,0,0\n\n000002.jpg,0,1,1\n000003.jpg,0,0,1\n\n",
    ],
)
def test_celeba(tmp_path, text):
    assert labels(tmp_path, text, "celeba", CELEBA_KEYS) == CELEBA_LABELS


def test_celeba_that_is_a_part_is_read_and_said(tmp_path, caplog):
    text = CELEBA.replace("3\n", "202599\n", 1)
    assert labels(tmp_path, text, "celeba", CELEBA_KEYS) == CELEBA_LABELS
    assert "line 1 says 202599 images, there are 3 rows" in caplog.text


MAAD = "Filename,Identity,Male,No_Beard,Bald\nn000002/0001_01.jpg,2,1,0,-1\nn000003/0001_01.jpg,3,-1,1,0\n"


def test_maad_face(tmp_path):
    keys = ["n000003/0001_01.png", "n000004/0001_01.jpg", "n000002/0001_01.jpg"]
    expected = {"Male": [0, -1, 1], "No_Beard": [1, -1, -1], "Bald": [-1, -1, 0]}
    assert labels(tmp_path, MAAD, "maad_face", keys) == expected
    assert labels(tmp_path, MAAD, "maad_face", keys, columns=("no beard",)) == {"No_Beard": expected["No_Beard"]}


def test_large_files_are_read_in_chunks_whose_size_does_not_matter(tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    values = random.integers(-1, 2, (90, 47))
    rows = [f"n{k // 9:06d}/{k:04d}_01.jpg,{k // 9}," + ",".join(map(str, values[k])) for k in range(90)]
    text = "\n".join([",".join(["Filename", "Identity", *MAAD_FACE]), *rows, ""])
    keys = [row.split(",")[0] for row in rows][::-3]
    sizes, read_csv = [], text_table.pd.read_csv

    def counted(*args, **options):
        sizes.append(options["chunksize"])
        return read_csv(*args, **options)

    monkeypatch.setattr(text_table.pd, "read_csv", counted)
    whole = labels(tmp_path, text, "maad_face", keys)
    monkeypatch.setattr(text_table, "ROWS_AT_ONCE", 20)
    assert labels(tmp_path, text, "maad_face", keys) == whole and sizes[-1] == 20 < sizes[0]
    meant = np.array([0, -1, 1])[values + 1][::-3]
    assert whole == {name: meant[:, number].tolist() for number, name in enumerate(MAAD_FACE)}
    with pytest.raises(InputError, match=r"line 73, column 'Bald': '2' is none of -1, 0, 1"):
        bad = rows[71].split(",")
        bad[2 + MAAD_FACE.index("Bald")] = "2"
        join(tmp_path, text.replace(rows[71], ",".join(bad)), "maad_face")


LFW_SCORES = {"Male": [1.5, -2.0, 0.25, -0.125], "Big Nose": [0.0, 3.0, -10.0, 0.5]}
LFW = "# LFW attributes by Kumar et al.\n#\tperson\timagenum\tMale\tBig Nose\n" + "".join(
    f"{person}\t{number}\t{male}\t{nose}\n"
    for person, number, male, nose in zip(
        ["Aaron Eckhart", "Aaron Peirsol", "Aaron Peirsol", 'A "B" C'], [1, 1, 12, 1], *LFW_SCORES.values(), strict=True
    )
)
LFW_KEYS = ["Aaron_Eckhart_0001.jpg", "Aaron_Peirsol_0001.jpg", "Aaron_Peirsol_0012.jpg", 'A_"B"_C_0001.jpg']


def test_lfw_leaves_out_what_is_nearest_to_the_cut(tmp_path):
    keys = [f"{key.rpartition('_')[0]}/{key}" for key in LFW_KEYS]
    everything = labels(tmp_path, LFW, "lfw", keys, undefined_below=0)
    assert everything == {"Male": [1, 0, 1, 0], "Big_Nose": [-1, 1, 0, 1]}
    assert labels(tmp_path, LFW, "lfw", keys, undefined_below=0.5) == {
        "Male": [1, 0, -1, -1],
        "Big_Nose": [-1, 1, 0, 1],
    }
    assert labels(tmp_path, LFW, "lfw", keys) == {"Male": [1, 0, -1, -1], "Big_Nose": [-1, 1, 0, -1]}


def test_lfw_leaves_out_52_percent_of_each_attribute(tmp_path):
    random = np.random.default_rng(0)
    scores = random.normal(size=(1000, 2)) * [1, 100]
    rows = "".join(f"A B\t{k + 1}\t{a}\t{b}\n" for k, (a, b) in enumerate(scores.tolist()))
    read = labels(
        tmp_path, f"# c\n#\tperson\timagenum\tx\ty\n{rows}", "lfw", [f"A_B/A_B_{k + 1:04d}.jpg" for k in range(1000)]
    )
    for number, name in enumerate(("X", "Y")):
        order = np.argsort(np.abs(scores[:, number]))
        expected = np.sign(scores[:, number]).clip(0)
        expected[order[:520]] = -1
        assert read[name] == expected.tolist()


FAIRFACE = (
    "file,age,gender,race,service_test\ntrain/1.jpg,3-9,Male,East Asian,True\ntrain/2.jpg,more than 70,Female,"
    "Latino_Hispanic,False\ntrain/3.jpg,10-19,Female,Latino/Hispanic,False\ntrain/4.jpg,0-2,male,Middle_Eastern,True\n"
)


def test_fairface(tmp_path):
    read = labels(tmp_path, FAIRFACE, "fairface", [f"train/{k}.jpg" for k in (4, 3, 2, 1)])
    expected = {name: [0, 0, 0, 0] for name in ("Male", *AGES, *GROUPS)}
    expected |= {"Male": [1, 0, 0, 1], "Age_3_9": [0, 0, 0, 1], "Age_70_or_more": [0, 0, 1, 0]}
    expected |= {"Age_10_19": [0, 1, 0, 0], "Age_0_2": [1, 0, 0, 0], "East_Asian": [0, 0, 0, 1]}
    expected |= {"Latino_Hispanic": [0, 1, 1, 0], "Middle_Eastern": [1, 0, 0, 0]}
    assert read == expected
    by_number = (
        "key,split,file,age,gender,race\n0,train,train/9.jpg,20-29,Male,White\n1,val,val/9.jpg,0-2,Female,Black\n"
    )
    read = labels(tmp_path, by_number, "fairface", ["1", "0"], columns=("Male", "Age_20_29", "White"))
    assert read == {"Male": [0, 1], "Age_20_29": [0, 1], "White": [0, 1]}
    assert labels(tmp_path, by_number, "fairface", ["val/9.jpg"], key="file", columns=("Black",)) == {"Black": [1]}


@pytest.mark.parametrize(
    ("date", "age"), [("03-Sep", "3-9"), ("Oct-19", "10-19"), ("9-Mar", "3-9"), ("19-Oct", "10-19")]
)
def test_ages_that_became_dates_are_repaired_where_that_is_asked_for(tmp_path, caplog, date, age):
    damaged = FAIRFACE.replace(f",{age},", f",{date},")
    with pytest.raises(
        InputError, match=rf"line [24], column 'age': '{date}' was {age} until a spreadsheet .* repair_dates"
    ):
        join(tmp_path, damaged, "fairface")
    keys = [f"train/{k}.jpg" for k in (1, 2, 3, 4)]
    repaired = labels(tmp_path, damaged, "fairface", keys, repair_dates=True)
    assert repaired == labels(tmp_path, FAIRFACE, "fairface", keys)
    assert [line.partition(": ")[2] for line in caplog.messages if "spreadsheet" in line] == [
        f"1 ages that a spreadsheet took for dates were read as {age}"
    ]


def test_table(tmp_path):
    text = 'file,Smiling,"Big Nose",x\n"a/1.jpg",1,0,\na/2.jpg,-1,,1.0\na/3.jpg,0,1,0.0\n'
    keys = ["a/3.png", "a/1.jpg", "a/2.jpg"]
    expected = {"Smiling": [0, 1, -1], "Big_Nose": [1, 0, -1], "X": [0, -1, 1]}
    assert labels(tmp_path, text, "table", keys) == expected
    assert labels(tmp_path, text.replace("file", "Photo"), "table", keys, key="Photo") == expected
    assert labels(tmp_path, text, "table", keys, absent=-1) == {
        "Smiling": [-1, 1, 0], "Big_Nose": [1, -1, -1], "X": [-1, -1, 1],
    }  # fmt: skip
    assert labels(tmp_path, "key,note,Male\n7,none,1\n8,all,0\n", "table", ["8", "7"], columns=("male",)) == {
        "Male": [0, 1]
    }


def test_a_table_whose_zero_is_not_known_is_asked_for(tmp_path):
    text = "file,Smiling\na.jpg,1\nb.jpg,-1\n"
    with pytest.raises(InputError, match="column 'Smiling' has 1 and -1 and no 0: set absent: -1 .* or absent: 0"):
        join(tmp_path, text, "table")
    assert labels(tmp_path, text, "table", ["p/a.jpg", "p/b.jpg"], absent=-1) == {"Smiling": [1, 0]}
    assert labels(tmp_path, text, "table", ["p/a.jpg", "p/b.jpg"], absent=0) == {"Smiling": [1, -1]}


# ── bad files ──


@pytest.mark.parametrize(
    ("format", "text", "knobs", "message"),
    [
        ("table", "", {}, "is empty"),
        ("table", "\n \n", {}, "is empty"),
        ("table", "file,Male\n", {}, "has no row of labels"),
        ("table", "file\na.jpg\n", {}, "has no column of an attribute"),
        ("table", "file,Male\na.jpg,1\nb.jpg,2\n", {}, "line 3, column 'Male': '2' is none of 1, 0, -1, blank; name the"),
        ("table", "file,Male,note\na.jpg,1,x\n", {}, "line 2, column 'note': 'x' is none of .* in `columns`"),
        ("table", "file,Male\na.jpg,1\n,0\n", {}, "line 3 has no key"),
        ("table", "file,Male\na.jpg,1\nb.jpg,0\n\na.jpg,0\n", {}, r"lines 2 and 5 are of one image, 'a.jpg' \(1 rows"),
        ("table", "file,Male\na.jpg,1\nb.jpg,0\na.png,1\n", {}, "lines 2 and 4 are of one image, 'a.jpg' and 'a.png'"),
        ("table", "file,Male\na.jpg,1\nb.jpg,0,1\n", {}, "rows and columns do not fit together .* line 3, saw 3"),
        ("table", "file,Male\na.jpg,1,1\nb.jpg,0,1\n", {}, "rows and columns do not fit together"),
        ("table", "file,Male,male\na.jpg,1,1\n", {}, "columns 'Male' and 'male' are one attribute, Male"),
        ("table", "file,Male,Male\na.jpg,1,1\n", {}, "names two columns 'Male'"),
        ("table", "file,Male,\na.jpg,1,1\n", {}, "column 3 has no name"),
        ("table", "file,?\na.jpg,1\n", {}, "column '.' has no letter in its name"),
        ("table", "name,Male\na.jpg,1\n", {}, "none of its columns name, Male are called file, key, path, image"),
        ("table", "file,path,Male\na.jpg,b,1\n", {}, "2 of its columns file, path, Male are called"),
        ("table", "file,Male\na.jpg,1\n", {"key": "id"}, "has no column 'id' of keys; it has file, Male"),
        ("table", "file,Male\na.jpg,1\n", {"columns": ("Bald",)}, "has no attribute 'Bald', which `columns` names"),
        ("table", "file,Male\na.jpg,1\nü.jpg,0\n".encode("latin-1"), {}, "line 3 is not UTF-8"),
        ("table", "filé,Male\na.jpg,1\n".encode("latin-1"), {}, "line 1 is not UTF-8"),
        ("table", "file,Male\na.jpg,1\n".encode("utf-16"), {}, "is UTF-16, expected UTF-8"),
        ("celeba", "2\nSmiling\n1.jpg 1\n2.jpg 1 -1\n", {}, "rows and columns do not fit together"),
        ("celeba", "2\nSmiling\n1.jpg 1\n2.jpg 3\n", {}, "line 4, column 'Smiling': '3' is none of -1, 0, 1"),
        ("celeba", "2\nSmiling Male\n1.jpg 1 -1\n2.jpg 1\n", {}, "line 4, column 'Male': '' is none of"),
        ("celeba", "2\nSmiling\n1.jpg -1\n2.jpg 0\n", {}, "line 4, Smiling: 0 in a file that has -1, too"),
        ("celeba", "2\nSmiling\n1.jpg -1\n1.jpg -1\n", {}, "lines 3 and 4 are of one image, '1.jpg'"),
        ("celeba", "2\n\n1.jpg\n2.jpg\n", {}, "has no column of an attribute"),
        ("celeba", "2\nSmiling\n", {}, "has no row of labels"),
        ("celeba", "file,Smiling\n1.jpg,1\n", {}, "line 1 is 'file,Smiling', expected the number of images"),
        ("maad_face", MAAD.replace("Identity", "Who"), {}, "begins with Filename, Who; MAAD-Face's with Filename, Identity"),
        ("maad_face", MAAD.replace(",0,-1", ",,-1"), {}, "line 2, column 'No_Beard': '' is none of -1, 0, 1"),
        ("maad_face", MAAD.replace("n000003", "n000002"), {}, "lines 2 and 3 are of one image, 'n000002/0001_01.jpg'"),
        ("lfw", LFW.replace("\t", " "), {}, "none of its first lines is `# person<tab>imagenum<tab>"),
        ("lfw", LFW.replace("-2.0", "wide"), {}, "line 4, column 'Male': 'wide' is no score"),
        ("lfw", LFW.replace("-2.0", "inf"), {}, "line 4, column 'Male': 'inf' is no score"),
        ("lfw", LFW.replace("\t12\t", "\ttwelve\t"), {}, "line 5: 'Aaron Peirsol', 'twelve' are no person and number"),
        ("lfw", LFW.replace("\t12\t", "\t01\t"), {}, "lines 4 and 5 are of one image, 'Aaron Peirsol 1' and 'Aaron Peirsol 01'"),
        ("lfw", LFW[: LFW.index("Aaron")], {}, "has no row of labels"),
        ("fairface", FAIRFACE.replace("race", "origin"), {}, "has no column 'race'; it has file, age, gender, origin"),
        ("fairface", FAIRFACE.replace("3-9", "3-8"), {}, "line 2, column 'age': '3-8' is no age of FairFace"),
        ("fairface", FAIRFACE.replace("East Asian", "Asian"), {}, "line 2, column 'race': 'Asian' is none of East_Asian"),
        ("fairface", FAIRFACE.replace(",Male,", ",M,"), {}, "line 2, column 'gender': 'M' is neither Male nor Female"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place(tmp_path, format, text, knobs, message):
    with pytest.raises(InputError, match=f"labels.txt: .*{message}|labels.txt: {message}"):
        join(tmp_path, text, format, **knobs)


def test_a_folder_is_no_label_file(tmp_path):
    with pytest.raises(InputError, match="is no file; give the text file itself"):
        registry.load("sources.label_formats", "table").read(AttributeLabels(path=str(tmp_path), format="table"))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"format": "celeba", "key": "image_id"}, "the format celeba has no use for key"),
        ({"format": "table", "undefined_below": 0.0}, "the format table has no use for undefined_below"),
        ({"format": "maad_face", "absent": 0}, "the format maad_face has no use for absent"),
        ({"format": "lfw", "repair_dates": True}, "the format lfw has no use for repair_dates"),
        ({"format": "table", "columns": ("Male", "Male")}, "names 'Male' twice"),
        ({"format": "table", "unmatched": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_knob_that_says_nothing_is_refused(knobs, message):
    with pytest.raises(ValidationError, match=message):
        AttributeLabels(path="x", **knobs)
    assert AttributeLabels(path="x", format="celeba", key="row").key == "row"


# ── images and rows ──


def test_names_alone_are_compared_where_no_row_has_a_folder(tmp_path):
    text = "file,Male\n1.jpg,1\n2.jpg,0\n"
    assert labels(tmp_path, text, "table", ["x/2.jpg", "y/1.jpg"]) == {"Male": [0, 1]}
    with_folders = "file,Male\nx/1.jpg,1\n2.jpg,0\n"
    assert labels(tmp_path, with_folders, "table", ["y/1.jpg", "x/1.jpg", "x/2.jpg"]) == {"Male": [-1, 1, -1]}


@pytest.mark.parametrize("calls", [[["a/1.jpg", "b/2.jpg", "b/1.jpg"]], [["a/1.jpg", "b/2.jpg"], ["b/1.jpg"]]])
def test_a_row_of_two_images_is_refused(tmp_path, calls):
    asked = join(tmp_path, "file,Male\n2.jpg,0\n1.jpg,1\n", "table")
    with pytest.raises(InputError, match="line 3 is of image 0 of the face set and of image 2, 'b/1.jpg', too; give"):
        for keys in calls:
            asked.of(keys)


NAMES = [f"{person}/{k}.png" for person in "ab" for k in range(10)]


def test_images_without_a_row_are_undefined_and_counted_up_to_a_share(tmp_path, caplog):
    settings = folder(tmp_path / "photos", NAMES)
    rows = ["file,Male,Smiling", *(f"{name},{k % 2},1" for k, name in enumerate(NAMES[1:])), "c/1.png,1,1", ""]
    with caplog.at_level(logging.INFO):
        faces = imported(tmp_path, settings, "\n".join(rows))
    assert faces.column("attribute_Male").tolist() == [-1, *(k % 2 for k in range(19))]
    assert faces.column("attribute_Male").dtype == np.int8 and faces.attrs["unlabelled_images"] == 1
    assert "1 of 20 images have no row (their labels are -1), 1 of 20 rows no image" in caplog.text
    with pytest.raises(InputError, match="2 of 20 images have no row, 'a/0.png' for one, more than the share 0.05"):
        imported(tmp_path, settings, "\n".join([rows[0], *rows[2:]]), "g.h5")
    assert not (tmp_path / "g.h5").exists()
    assert imported(tmp_path, settings, "\n".join([rows[0], *rows[2:]]), unmatched=0.1).attrs["unlabelled_images"] == 2


def test_the_label_file_of_another_set_is_told(tmp_path, caplog):
    settings = folder(tmp_path / "photos", NAMES)
    said = "no row is of an image of this face set: its keys are like 'n1/x.jpg', the images' like 'a/0.png'"
    with pytest.raises(InputError, match=said):
        imported(tmp_path, settings, "file,Male\nn1/x.jpg,1\nn1/y.jpg,0\n", unmatched=1)
    assert "none of the first 20 images has a row, a/0.png for one" in caplog.text.replace("'", "")


def test_rows_in_the_order_of_the_images(tmp_path):
    settings = folder(tmp_path / "photos", NAMES)
    faces = imported(tmp_path, settings, "Male\n" + "".join(f"{k % 2}\n" for k in range(20)), key="row")
    assert faces.column("attribute_Male").tolist() == [0, 1] * 10
    for count in (19, 21):
        with pytest.raises(
            InputError, match=f"has {count} rows, the face set 20 images; `key: row` needs a row for each"
        ):
            imported(tmp_path, settings, "Male\n" + "1\n" * count, "g.h5", key="row")


@pytest.mark.parametrize(
    ("format", "text", "expected"),
    [
        ("celeba", CELEBA, [0, 1, 1]),
        ("maad_face", MAAD + "n000003/0001_01.jpg,4,1,1,1\n", [1, 0, 1]),
        ("lfw", LFW[: LFW.index('A "B"')], [-1, 0, -1]),
        ("fairface", FAIRFACE[: FAIRFACE.index("train/4")], [1, 0, 0]),
    ],
)
def test_rows_of_every_format_may_be_in_the_order_of_the_images(tmp_path, format, text, expected):
    asked = join(tmp_path, text, format, key="row", columns=("Male",))
    assert [asked.of([key])["attribute_Male"].tolist() for key in "xyz"] == [[label] for label in expected]
    assert asked.finish() == 0


def test_a_photograph_that_is_left_out_lacks_no_row(tmp_path):
    settings = folder(tmp_path / "photos", NAMES)
    (tmp_path / "photos/a/x.heic").write_bytes(b"?")
    rows = "".join(f"{name},1\n" for name in [*NAMES, "a/x.heic"])
    faces = imported(tmp_path, settings, f"file,Male\n{rows}", unmatched=0)
    assert faces.attrs["left_out"] == 1 and faces.attrs["unlabelled_images"] == 0


def test_a_set_without_labels_is_as_before(tmp_path):
    import_faces(folder(tmp_path / "photos", NAMES), tmp_path / "f.h5", Provenance())
    faces = FaceSet(tmp_path / "f.h5")
    assert faces.column_names == ["source_key"] and "unlabelled_images" not in faces.attrs


def test_records_go_by_their_numbers_and_labels_follow_subset_union_and_export(tmp_path, caplog):
    images = [encode_image(np.full((8, 8, 3), 9 * k, np.uint8), "png") for k in range(12)]
    with RecordIOWriter(tmp_path / "rec", (8, 8)) as writer:
        for k, image in enumerate(images):
            writer.add(image, f"person {k // 3}")
    settings = RecordIOFaces(source="recordio", path=str(tmp_path / "rec"))
    rows = "".join(f"{k + 1},{k % 2},{k % 3 - 1}\n" for k in reversed(range(12)))
    labelled = imported(tmp_path, settings, f"key,Male,Smiling\n{rows}", "a.h5")
    assert labelled.column("attribute_Male").tolist() == [0, 1] * 6

    subset_faces(SubsetFaces(source="subset", of="a", identities=2), tmp_path / "a.h5", tmp_path / "s.h5", Provenance())
    kept = FaceSet(tmp_path / "s.h5").column("source_index")
    subset = FaceSet(tmp_path / "s.h5").column("attribute_Smiling")
    assert len(kept) == 6 and subset.tolist() == (kept % 3 - 1).tolist()

    unite_faces([tmp_path / "a.h5", tmp_path / "s.h5"], tmp_path / "u.h5", Provenance())
    together = [*(k % 3 - 1 for k in range(12)), *subset.tolist()]
    assert FaceSet(tmp_path / "u.h5").column("attribute_Smiling").tolist() == together

    imported(tmp_path, settings, f"key,Male,Bald\n{rows}", "b.h5")
    unite_faces([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "v.h5", Provenance())
    assert {"attribute_Male"} == {name for name in FaceSet(tmp_path / "v.h5").column_names if name.startswith(COLUMN)}
    assert "attribute_Bald, attribute_Smiling not in all of the sets, so left out" in caplog.text

    export_faces(tmp_path / "a.h5", tmp_path / "out", "recordio")
    again = {"path": str(tmp_path / "out/attributes.csv"), "format": "table"}
    settings = RecordIOFaces(source="recordio", path=str(tmp_path / "out"), attributes=again)
    import_faces(settings, tmp_path / "c.h5", Provenance())
    for name in ("attribute_Male", "attribute_Smiling"):
        assert (FaceSet(tmp_path / "c.h5").column(name) == labelled.column(name)).all()
    export_faces(tmp_path / "a.h5", tmp_path / "folder", "folder")
    with (tmp_path / "folder/labels.csv").open() as file:
        assert [int(row["attribute_Smiling"]) for row in csv.DictReader(file)] == [k % 3 - 1 for k in range(12)]
    again = {"path": str(tmp_path / "folder/labels.csv"), "format": "table", "columns": ["Male", "Smiling"]}
    settings = FolderFaces(source="folder", path=str(tmp_path / "folder"), attributes=again)
    import_faces(settings, tmp_path / "d.h5", Provenance())
    assert (FaceSet(tmp_path / "d.h5").column("attribute_Male") == labelled.column("attribute_Male")).all()


@pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")
@pytest.mark.parametrize(
    ("name", "knobs"),
    [("faces_fairface_112x112", {}), ("faces_fairface_more_112x112", {"repair_dates": True})],
)
def test_fairface_by_count(tmp_path, name, knobs):
    path = Path(FACES) / name
    labels = {"path": str(path / "labels.csv"), "format": "fairface", **knobs}
    settings = RecordIOFaces(source="recordio", path=str(path), labelled=False, attributes=labels)
    import_faces(settings, tmp_path / "f.h5", Provenance())
    faces = FaceSet(tmp_path / "f.h5")
    with (path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    dates = {"03-Sep": "3-9", "Oct-19": "10-19", "more than 70": "70_or_more"}
    ages = Counter("Age_" + dates.get(row["age"], row["age"]).replace("-", "_") for row in rows)
    groups = Counter(row["race"].replace(" ", "_") for row in rows)
    assert set(ages) == set(AGES) and set(groups) == set(GROUPS)
    for attribute, count in (ages | groups | Counter(Male=sum(row["gender"] == "Male" for row in rows))).items():
        assert np.count_nonzero(faces.column(f"attribute_{attribute}") == 1) == count, attribute
    assert faces.attrs["unlabelled_images"] == 0
    at = faces.column("source_key").tolist().index(rows[17]["key"])
    assert faces.column(f"attribute_{rows[17]['race'].replace(' ', '_')}")[at] == 1

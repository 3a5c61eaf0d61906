"""The tree of what a number is made of, and the check of a whole folder of results."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.tensors_file import write_tensors
from semihard.workflow import check_results as check_module
from semihard.workflow.ancestry import ancestry
from semihard.workflow.ancestry import main as print_ancestry
from semihard.workflow.check_results import check_results
from semihard.workflow.check_results import main as print_check
from tests.unit.toy_generator import toy_images
from tests.unit.toy_study import (
    FACES,
    MODEL,
    RESULTS,
    RUNS,
    SCORES,
    make_study,
    run,
    write_embeddings,
    write_text,
)


@pytest.fixture(autouse=True)
def study(own_folder):
    """A finished study in the current folder."""
    make_study()


def flip(path: str) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(content)


def test_every_branch_ends_at_a_source_and_each_step_is_written_once():
    lines = list(ancestry(SCORES))
    assert lines[0].startswith(SCORES) and lines[1].strip("│ ").startswith("score_study  code code of score_study")
    for path in (FACES, MODEL, *(one["path"] for one in RUNS)):
        written = [line for line in lines if f"{path}  " in line]
        assert len([line for line in written if "(see above)" not in line]) == 1, path
    assert sum("see above" in line and MODEL in line for line in lines) == len(RUNS) - 1
    [source] = [line for line in lines if "faces.rec  " in line]
    assert source.endswith("source file") and not [line for line in lines if "!" in line]
    assert any("train_recognizer  code code of train_recognizer  seed 3" in line and "cpu" in line for line in lines)


def test_a_line_a_column_and_a_number_of_the_table_have_their_own_ancestors():
    def read(**cell: str) -> set[str]:
        lines = "\n".join(ancestry(SCORES, **cell))
        return {f"{one['label']} {one['benchmark']}" for one in RUNS if one["path"] in lines}

    assert read(row="synthetic") == {"synthetic lfw", "synthetic cplfw"}
    assert read(row="synthetic", column="AVG") == {"synthetic lfw"}
    assert read(column="cplfw") == read(column="cplfw_fold_sd") == {"real cplfw", "synthetic cplfw"}
    assert read(row="synthetic", column="gap_to_real_points") == {"real lfw", "synthetic lfw"}
    assert read(row="real", column="images") == set() and FACES in "\n".join(ancestry(SCORES, "real", "images"))
    for cell, said in (({"row": "sythetic"}, "it has real, synthetic"), ({"column": "avg"}, "there are lfw, cplfw")):
        with pytest.raises(InputError, match=said):
            read(**cell)
    with pytest.raises(InputError, match="of the study table alone"):
        list(ancestry(FACES, "real"))


def test_a_folder_is_compared_as_it_was_read():
    """A user's by names and sizes, one that a job made by its bytes, also in a copy without Snakemake's hidden mark."""
    Path("photos/anna").mkdir(parents=True)
    Path("photos/anna/1.jpg").write_text("anna")

    def write_epochs(path: str, provenance: object) -> None:
        for name in ("1.txt", "2.txt"):
            write_text(f"{path}/{name}", provenance)

    epochs, curve = f"{RESULTS}/models/epochs", f"{RESULTS}/figures/curve.csv"
    run("train_generator", {"data": ["photos", "photos/anna"]}, {"epochs": epochs}, {}, write_epochs)
    Path(epochs, ".snakemake_timestamp").touch()
    run("plot_curve", {"epochs": epochs}, {"csv": curve}, {}, write_text)
    Path(epochs, ".snakemake_timestamp").unlink()
    lines = list(ancestry(curve))
    assert not [line for line in lines if "!" in line] and lines[-1].endswith("source folder, by names and sizes")
    flip(f"{epochs}/2.txt")
    Path("photos/anna/1.jpg").rename("photos/anna/2.jpg")
    marked = [line for line in ancestry(curve) if "! its bytes have changed since" in line]
    assert len(marked) == 2 and epochs in marked[0] and "photos" in marked[1]
    assert next(ancestry(f"{epochs}/1.txt")).startswith(epochs)


def test_what_has_changed_since_is_marked():
    flip(MODEL)
    assert next(line for line in ancestry(SCORES) if "!" in line).endswith("! its bytes have changed since")
    Path("faces.rec").unlink()
    marked = [line for line in ancestry(FACES) if "!" in line]
    assert len(marked) == 1 and "faces.rec" in marked[0] and "! is not there any more" in marked[0]
    run("train_recognizer", {"faces": FACES}, {"model": MODEL}, {"epochs": 2}, seed="3")
    again = next(line for line in ancestry(SCORES) if MODEL in line)
    assert again.endswith("! made again, or changed, since it was read for this")
    assert not [line for line in ancestry(MODEL) if MODEL in line and "!" in line]


def test_a_missing_record_is_said_in_a_sentence(capsys):
    Path(RESULTS, "provenance/import_faces/real.json").unlink()
    assert any(line.endswith("no record says how it was made") for line in ancestry(SCORES))
    with pytest.raises(SystemExit, match="no record in results/toy/provenance says how it was made"):
        print_ancestry([FACES])
    with pytest.raises(SystemExit, match="lies in no folder of results with run records"):
        print_ancestry(["faces.rec"])
    with pytest.raises(SystemExit, match="not found"):
        print_ancestry([f"{RESULTS}/study/score.csv"])
    print_ancestry([MODEL])
    assert MODEL in capsys.readouterr().out


def said_of_damage(capsys) -> list[str]:
    """What the command prints, a line each, where something is damaged."""
    with pytest.raises(SystemExit) as stopped:
        print_check([RESULTS])
    assert "damaged, missing or of another version" in str(stopped.value.code)
    return capsys.readouterr().out.splitlines()


def test_whole_results_are_one_line_and_each_file_is_read_once(capsys, monkeypatch):
    read, sha256_of = [], check_module.sha256_of
    monkeypatch.setattr(check_module, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    print_check([RESULTS])
    size = sum(Path(path).stat().st_size for path in (FACES, MODEL, SCORES, *(one["path"] for one in RUNS)))
    assert capsys.readouterr().out == f"7 files, {size / 1e9:.3g} GB, all as recorded\n"
    assert len(read) == len(set(read)) == 7


def test_a_bit_a_missing_end_and_a_missing_file_are_a_line_each_with_the_command(capsys):
    flip(MODEL)
    Path(SCORES).write_bytes(Path(SCORES).read_bytes()[:-1])
    Path(RUNS[0]["path"]).unlink()
    lines = said_of_damage(capsys)
    for path, what in ((MODEL, "its bytes have changed"), (SCORES, "were written"), (RUNS[0]["path"], "is not there")):
        [line] = [line for line in lines if line.startswith(f"{path}: ")]
        assert what in line and f"snakemake --cores all --configfile YOUR_STUDY.yaml --force -- {path}" in line


def test_a_folder_names_the_file_in_it_that_is_another(capsys):
    def write_folder(path: str, provenance: object) -> None:
        for name in ("a/1.jpg", "a/2.jpg"):
            write_text(f"{path}/{name}", provenance)

    folder = f"{RESULTS}/export/real/folder"
    run("export_faces", {"faces": FACES}, {"folder": folder}, {}, write_folder)
    assert check_results(RESULTS).files == 8
    Path(folder, ".snakemake_timestamp").touch()
    flip(f"{folder}/a/2.jpg")
    [line] = said_of_damage(capsys)
    assert line.startswith(f"{folder}: its files are not those that were made (a/2.jpg)")


def test_what_no_record_knows_is_named_and_read_and_is_no_mistake(capsys):
    Path(RESULTS, "provenance/import_faces/real.json").unlink()
    Path(RESULTS, "notes.txt").write_text("mine")
    Path(RESULTS, "models/other.safetensors.resume").mkdir()
    Path(RESULTS, "models/other.safetensors.resume/state.pt").write_bytes(b"")
    print_check([RESULTS])
    unknown, unfinished, last = capsys.readouterr().out.splitlines()
    assert unknown.startswith("2 files that no record has") and FACES in unknown and "notes.txt" in unknown
    assert unknown.endswith("; whole by their own checksums: 1")
    assert unfinished == f"{RESULTS}/models/other.safetensors.resume: of a job that has not ended"
    assert last.startswith("6 files") and last.endswith("all as recorded")


def faces_at(path: str) -> None:
    with FaceSetWriter(path, (16, 16), "png") as writer:
        writer.add(toy_images(4), ["one", "one", "two", "two"])


def model_at(path: str) -> None:
    write_tensors(path, {"weight": torch.ones(8, 8)}, {"kind": "recognizer"})


def in_an_image(path: str) -> int:
    with h5py.File(path) as h5:
        return h5["images/data"].id.get_offset() + 100


def in_a_checksum(path: str) -> int:
    with h5py.File(path) as h5:
        return h5["identity"].id.get_chunk_info(0).byte_offset


def in_text(path: str) -> int:
    return Path(path).read_bytes().index(b"png")


def in_the_end(path: str) -> int:
    return Path(path).stat().st_size - 1


@pytest.mark.parametrize(
    ("name", "make", "where"),
    [("f.h5", faces_at, where) for where in (in_an_image, in_a_checksum, in_text, in_the_end)]
    + [("m.safetensors", model_at, in_the_end)],
)
def test_without_a_record_files_are_read_as_far_as_their_own_checksums_reach(capsys, name, make, where):
    shutil.rmtree(Path(RESULTS, "provenance"))
    path = f"{RESULTS}/{name}"
    make(path)
    with pytest.raises(SystemExit) as stopped:
        print_check([RESULTS])
    nothing = f"nothing is recorded in {RESULTS}/provenance, so nothing could be checked"
    assert stopped.value.code == f"{nothing} but the 7 files that have checksums of their own"
    assert "8 files that no record has" in capsys.readouterr().out
    content = bytearray(Path(path).read_bytes())
    content[where(path)] ^= 1
    Path(path).write_bytes(content)
    [line] = said_of_damage(capsys)[:1]
    assert (
        line.startswith(f"{path}: ")
        and "no record says how it was made; unless it is yours, delete it and run again" in line
    )
    assert line.count("delete it") == 1 and ("changed since they were written" in line or "is damaged" in line)


def test_nothing_to_check_is_one_sentence(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for given, said in (
        (str(empty), f"nothing is recorded in {empty}/provenance, so nothing could be checked"),
        ("", "no folder of results is named, expected one; name it: make check_results RESULTS=results/demo"),
        ("results/other", "results/other: not found, expected a folder of results"),
    ):
        with pytest.raises(SystemExit) as stopped:
            print_check([given])
        assert stopped.value.code == said


def test_hdf5_files_of_somebody_else_are_no_mistake(capsys):
    for name, attributes in {
        "plain": {}, "list": {"kind": ["a", "b"], "schema": 1}, "numbers": {"kind": np.arange(3)},
        "versionless": {"kind": "embeddings"}, "worded": {"kind": "embeddings", "schema": "first"},
        "several": {"kind": "embeddings", "schema": [1, 2]}, "other": {"kind": "mine", "schema": 1},
    }.items():  # fmt: skip
        with h5py.File(f"{RESULTS}/{name}.h5", "w") as h5:
            h5.attrs.update(attributes)
    print_check([RESULTS])
    unknown, foreign, last = capsys.readouterr().out.splitlines()
    assert unknown.startswith("7 files that no record has") and foreign.count(".h5") == 7
    assert foreign.endswith(": no artifacts of this workflow, not read") and last.endswith("all as recorded")


def test_an_input_that_is_gone_without_a_record_is_missing(capsys):
    Path(RESULTS, "provenance/import_faces/real.json").unlink()
    Path(FACES).unlink()
    [line] = said_of_damage(capsys)
    assert line.startswith(f"{FACES}: is not there, and no record says how it was made; it was read by ")
    assert f"{RESULTS}/provenance/train_recognizer/3.json" in line


def test_results_of_another_version_of_a_file_are_a_remark(capsys):
    Path("faces.rec").write_bytes(b"others")
    Path("faces.rec").touch()
    write = lambda path, provenance: write_embeddings(path, provenance, 7)  # noqa: E731
    run("train_recognizer", {"faces": FACES}, {"model": MODEL}, {"epochs": 2}, write, seed="3")
    print_check([RESULTS])
    *remarks, last = capsys.readouterr().out.splitlines()
    assert last.endswith("all as recorded") and len(remarks) == 2
    assert f"{FACES}: made of another version of faces.rec" in remarks
    read = ", ".join(sorted(one["path"] for one in RUNS)[:3])
    assert f"{read} and 1 more: made of another version of {MODEL}" in remarks


def test_a_record_that_is_damaged_is_said_where_it_is_missed(capsys):
    damaged = Path(RESULTS, "provenance/verify/real/lfw.json")
    damaged.write_text("{}")
    assert not [line for line in ancestry(MODEL) if str(damaged) in line]
    assert list(ancestry(SCORES))[-1].startswith(f"{damaged}: cannot be read as a run record (it has no 'rule')")
    with pytest.raises(InputError, match=f"no record in .*; {damaged}: cannot be read"):
        list(ancestry(RUNS[0]["path"]))
    assert said_of_damage(capsys)[0].startswith(f"{damaged}: ")
    with pytest.raises(SystemExit, match="no file is named, expected one of the results"):
        print_ancestry([""])


@pytest.mark.parametrize(("schema", "age"), [(schemas.EMBEDDINGS.version + 1, "a newer"), (0, "an older")])
def test_a_schema_of_another_version_is_said(capsys, schema, age):
    def write(path: str, provenance: object) -> None:
        with h5py.File(path, "w") as h5:
            h5.attrs.update({"kind": "embeddings", "schema": schema})

    run("embed_faces", {}, {"embeddings": f"{RESULTS}/e.h5"}, {}, write)
    [line] = said_of_damage(capsys)
    assert f"is of schema {schema} of 'embeddings', made by {age} version" in line
    assert "delete" not in line and ("--force" in line) == (age == "an older")
    Path(RESULTS, "provenance/embed_faces.json").unlink()
    [line] = said_of_damage(capsys)[:1]
    assert f"made by {age} version" in line and ("delete it" in line) == (age == "an older")

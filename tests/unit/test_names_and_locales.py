"""Names of people and files: what is not UTF-8 is one sentence, what is UTF-8 is read so in every locale."""

import ast
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from semihard.errors import InputError
from semihard.sources.folder import read_folder
from semihard.sources.pairs import read_pairs
from semihard.sources.settings import FolderFaces, PairsBenchmark
from semihard.workflow.user_files import data_path
from tests.unit.test_folder import save, save_grid, some_faces
from tests.unit.test_pairs import write_list

ROOT = Path(__file__).parents[2]
LATIN = os.fsdecode(b"Jos\xe9")
SAID = r"is not UTF-8 \(byte 0xe9; Latin-1\?\); rename it"


@pytest.mark.parametrize("name", [f"{LATIN}/0.png", f"a/{LATIN}.png", f"a/{LATIN}.heic", f"{LATIN}/notes.txt"])
def test_a_name_in_another_encoding_is_refused_at_once(tmp_path, name):
    save(tmp_path / "a" / "0.png")
    save(tmp_path / name) if name.endswith("png") else (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=rf"the name '[^']*Jos\\\\xe9[^']*' {SAID}") as refused:
        read_folder(tmp_path)
    str(refused.value).encode("utf-8")


def test_grids_too(tmp_path):
    save_grid(tmp_path / f"{LATIN}.png", some_faces(4), 2)
    with pytest.raises(InputError, match=SAID):
        read_folder(tmp_path, tiles=2)


@pytest.mark.parametrize("kind", ["folder", "pairs"])
def test_people_with_such_names_are_met_before_anything_runs(tmp_path, kind):
    save(tmp_path / "faces" / LATIN / "0.png")
    folder = str(tmp_path / "faces")
    listed = write_list(tmp_path, None, ["A\t1\t2"])
    entry = {
        "folder": FolderFaces(source="folder", path=folder),
        "pairs": PairsBenchmark(source="pairs", pairs=str(listed), folder=folder),
    }[kind]
    where = {"folder": "x.path", "pairs": "x.folder"}[kind]
    with pytest.raises(InputError, match=f"^{where}: .*{SAID}"):
        data_path("x", entry)


def test_a_list_of_pairs_finds_its_people(tmp_path):
    for number in (1, 2):
        save(tmp_path / "faces/José" / f"José_{number:04d}.jpg", number)
        save(tmp_path / "faces/A" / f"A_{number:04d}.jpg", number)
    listed = write_list(tmp_path, "2\t1", ["José\t1\t2", "José\t1\tA\t2"] * 2)
    assert {face.identity for face in read_pairs(listed, tmp_path / "faces").faces} == {"José", "A"}


# ── other locales ────────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = {"open", "fdopen", "read_text", "write_text", "FileHandler", "TextIOWrapper"}
NOT_TEXT = {"Image", "lmdb", "lzma", "tarfile", "os"}


def without_encoding(source: str) -> list[str]:
    """The calls that open a file as text in the encoding of whoever runs them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        module = getattr(getattr(node.func, "value", None), "id", None)
        mode = "".join(
            value.value
            for value in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and name == "open"
        )
        if name in TEXT and module not in NOT_TEXT and "b" not in mode:
            found.append(ast.unparse(node))
    return found


def test_the_search_finds_them():
    assert len(without_encoding("open('x'); p.open('w'); p.read_text(); p.write_text(a); p.open(mode='r')")) == 5
    assert without_encoding("p.open('rb'); Image.open(p); p.read_text(encoding='utf-8'); open(p, mode='w+b')") == []


def test_every_text_file_has_its_encoding():
    python = {path: path.read_text(encoding="utf-8") for path in (ROOT / "workflow_scripts").rglob("*.py")}
    bad = {str(path): found for path, source in python.items() if (found := without_encoding(source))}
    assert bad == {}
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:  # no Python grammar
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "open(" not in line and "_text(" not in line, (path, line)


DRIVER = """
import locale, runpy, sys
from types import SimpleNamespace
assert locale.getpreferredencoding(False) not in ("UTF-8", "utf-8"), locale.getpreferredencoding(False)
sys.path.insert(0, "workflow_scripts")


class Named(SimpleNamespace):
    def get(self, name, default=None):
        return getattr(self, name, default)

    def items(self):
        return vars(self).items()


def run(script, output, settings, faces=None, **more):
    stub = Named(
        rule=script, log=[f"{sys.argv[1]}/{script}.log"], resources=Named(), wildcards=Named(), output=output,
        scriptdir="workflow_scripts",
        params=Named(settings=settings, code="c"), input=type("Input", (list,), {"faces": faces, "get": lambda self, name: None})([]),
    )
    runpy.run_path(f"workflow_scripts/{script}.py", {"snakemake": stub}, "__main__")


work = sys.argv[1]
settings = {"source": "folder", "path": work + "/photos é", "tiles": 1, "align": "none", "licence": "©"}
run("import_faces", Named(faces=f"{work}/faces.h5"), settings)
for form in ("folder", "recordio", "webdataset", "parquet"):
    run("export_faces", Named(folder=f"{work}/{form}"), {"form": form}, f"{work}/faces.h5")
settings = {"source": "recordio", "path": f"{work}/recordio"}
run("import_faces", Named(faces=f"{work}/again.h5"), settings)
"""


def test_names_are_the_same_in_a_locale_without_utf_8(tmp_path):
    for number, name in enumerate(["José", "Zoë"]):
        save(tmp_path / "photos é" / name / "ü.jpg", number)
        (tmp_path / "photos é" / name / "bemærk.txt").touch()
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    environment = os.environ | {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}
    command = [sys.executable, tmp_path / "driver.py", tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-4000:]
    with (tmp_path / "folder/labels.csv").open(encoding="utf-8") as file:
        assert [row["identity"] for row in csv.DictReader(file)] == ["José", "Zoë"]
    assert (tmp_path / "recordio/identity_names.txt").read_text(encoding="utf-8").split() == ["José", "Zoë"]
    assert "bemærk.txt" in (tmp_path / "import_faces.log").read_text(encoding="utf-8")

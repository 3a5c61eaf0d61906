"""Kept fingerprints are those of the code as it is, whatever lies in the file."""

import atexit
import gc
import json
from collections.abc import Callable

import pytest

from semihard.errors import InputError
from semihard.workflow import kept_fingerprints
from semihard.workflow.fingerprint import fingerprint
from semihard.workflow.kept_fingerprints import KeptFingerprints
from tests.unit.test_fingerprint import copied, forget  # noqa: F401  (a small library to be edited)


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """The scripts whose fingerprints were computed, not read."""
    scripts: list[str] = []

    def counted(script: str, *entries: str, **places: object) -> str:
        scripts.append(script)
        return fingerprint(script, *entries, **places)

    monkeypatch.setattr(kept_fingerprints, "fingerprint", counted)
    return scripts


@pytest.fixture(autouse=True)
def process_ends(monkeypatch) -> Callable[[], None]:
    """What the end of the process does, now."""
    registered: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(gc, "freeze", list)  # the process goes on here

    def end() -> None:
        for called in registered:
            called()
        registered.clear()

    return end


def test_each_is_computed_once(copied, computed, process_ends):  # noqa: F811
    path = copied / "kept/fingerprints.json"
    for _ in range(2):
        kept = KeptFingerprints(path, copied)
        for script, entries in (("run.py", ()), ("other.py", ()), ("other.py", ("semihard.top:go",))):
            assert kept(script, *entries) == kept(script, *entries) == fingerprint(script, *entries, scripts=copied)
        process_ends()
    assert computed == ["run.py", "other.py", "other.py"]


@pytest.mark.parametrize("file", ["semihard/deep/low.py", "run.py", "semihard/new.py"])
def test_an_edit_forgets_all(copied, computed, process_ends, file):  # noqa: F811
    path = copied / "fingerprints.json"
    before = KeptFingerprints(path, copied)("run.py")
    process_ends()
    with (copied / file).open("a") as opened:
        opened.write("value = 3\n")
    forget()
    after = KeptFingerprints(path, copied)("run.py")
    assert computed == ["run.py"] * 2 and (after != before) == (file != "semihard/new.py")


@pytest.mark.parametrize("edited", ["before", "after"])
def test_what_is_computed_about_an_edit_is_not_kept(copied, computed, process_ends, edited):  # noqa: F811
    """It may be of the code before or after."""
    path = copied / "fingerprints.json"
    kept = KeptFingerprints(path, copied)
    if edited == "after":
        kept("other.py")
    (copied / "semihard/deep/low.py").write_text("value = 3\n")
    kept("run.py")
    process_ends()
    assert computed and not path.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"code": 1}', '{"code": "", "fingerprints": {"run.py": "x"}}']
)
def test_a_file_that_cannot_be_used_is_made_anew(copied, computed, process_ends, text):  # noqa: F811
    path = copied / "fingerprints.json"
    path.write_text(text)
    found = KeptFingerprints(path, copied)("run.py")
    process_ends()
    assert found == fingerprint("run.py", scripts=copied)
    assert json.loads(path.read_text())["fingerprints"] == {"run.py": found}


def test_nothing_is_kept_where_nothing_can_be_written(copied, computed, process_ends):  # noqa: F811
    (copied / "file").touch()
    assert KeptFingerprints(copied / "file/fingerprints.json", copied)("run.py") and computed == ["run.py"]
    process_ends()


def test_what_is_not_there_is_named_every_time(copied):  # noqa: F811
    kept = KeptFingerprints(copied / "fingerprints.json", copied)
    for _ in range(2):
        with pytest.raises(InputError, match=r"alone\.py: has no 'build'"):
            kept("run.py", "semihard.alone:build")

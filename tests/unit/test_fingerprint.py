"""The code fingerprint: edits that can change a result change it, all others do not."""

from pathlib import Path

import pytest

from semihard.workflow.fingerprint import RESULT_NEUTRAL, SCRIPTS, _file_of, _read, fingerprint

FILES = {
    "run.py": '"""Script."""\nfrom semihard.top import go\n\ngo()\n',
    "other.py": "from semihard import alone\n",
    "semihard/__init__.py": "",
    "semihard/top.py": "from semihard.deep.low import value\nfrom semihard.compute.progress import bar\n\ndef go():\n    return value\n",
    "semihard/deep/__init__.py": "",
    "semihard/deep/low.py": "value = 1\n",
    "semihard/alone.py": "x = 1\n",
    "semihard/compute/progress.py": "bar = 1\n",
}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def after(scripts: Path, name: str, text: str) -> tuple[bool, bool]:
    """Whether the fingerprints of run.py and other.py change when a file becomes `text`."""
    before = [fingerprint(script, scripts) for script in ("run.py", "other.py")]
    (scripts / name).write_text(text)
    _read.cache_clear()
    return tuple(
        fingerprint(script, scripts) != old for script, old in zip(("run.py", "other.py"), before, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("semihard/deep/low.py", "value = 2\n", (True, False)),
        ("semihard/alone.py", "x = 2\n", (False, True)),
        ("semihard/__init__.py", "import sys\n", (True, True)),
        ("semihard/deep/low.py", '"""New docstring."""\n\n# comment\nvalue   =   1\n', (False, False)),
        ("semihard/top.py", FILES["semihard/top.py"].replace("():", '():\n    """What it does."""'), (False, False)),
        ("run.py", FILES["run.py"] + "go()\n", (True, False)),
        ("semihard/compute/progress.py", "bar = 2\n", (False, False)),
        ("semihard/deep/low.py", 'value = "a string that is no docstring"\n', (True, False)),
    ],
)
def test_what_changes_the_fingerprint(scripts, name, text, changed):
    assert after(scripts, name, text) == changed


def test_every_neutral_module_exists():
    for module in RESULT_NEUTRAL:
        assert _file_of(module, SCRIPTS), module


def test_library_imports_are_static_and_absolute():
    for path in (SCRIPTS / "semihard").rglob("*.py"):
        text = path.read_text()
        assert "importlib.import_module" not in text and "__import__(" not in text, path
        assert not any(line.lstrip().startswith("from .") for line in text.splitlines()), path

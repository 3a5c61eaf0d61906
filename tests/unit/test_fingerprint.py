"""The code fingerprint: edits that can change a result change it, all others do not."""

from pathlib import Path

import pytest

from semihard.errors import InputError
from semihard.workflow.fingerprint import fingerprint
from semihard.workflow.module_code import file_of, read_module

FILES = {
    "run.py": '"""Script."""\nfrom semihard.top import go\n\ngo()\n',
    "other.py": "from semihard import alone\n\nprint(alone.x)\n",
    "semihard/__init__.py": "",
    "semihard/errors.py": "class InputError(ValueError): ...\n",
    "semihard/top.py": (
        "import logging\n"
        "from semihard.deep.low import value\n"
        "from semihard.compute.progress import progress\n"
        "from semihard.errors import InputError\n\n"
        'log = logging.getLogger("l")\n\n'
        "def go(n: int = 1) -> int:\n"
        "    if n < 0:\n"
        '        raise InputError(f"{n}: below 0")\n'
        '    log.info("%d", n)\n'
        '    with progress("go", n):\n'
        "        return value\n\n\n"
        "def not_used():\n"
        "    return 1\n"
    ),
    "semihard/deep/__init__.py": "",
    "semihard/deep/low.py": "value = 1\n",
    "semihard/alone.py": "x = 1\n",
    "semihard/compute/__init__.py": "",
    "semihard/compute/progress.py": "def progress(*_): ...\n",
}
TOP = FILES["semihard/top.py"]


def forget() -> None:
    read_module.cache_clear()
    file_of.cache_clear()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def after(copied: Path, name: str, text: str) -> tuple[bool, bool]:
    """Whether the fingerprints of run.py and other.py change when a file becomes `text`."""
    before = [fingerprint(script, scripts=copied) for script in ("run.py", "other.py")]
    (copied / name).write_text(text)
    forget()
    return tuple(
        fingerprint(script, scripts=copied) != old for script, old in zip(("run.py", "other.py"), before, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("semihard/deep/low.py", "value = 2\n", (True, False)),
        ("semihard/alone.py", "x = 2\n", (False, True)),
        ("semihard/__init__.py", "import sys\n\nsys.path.sort()\n", (True, True)),
        ("semihard/deep/__init__.py", "print(1)\n", (True, False)),
        ("semihard/deep/low.py", "value = 1\nprint(value)\n", (True, False)),
        ("semihard/deep/low.py", '"""New docstring."""\n\n# comment\nvalue   =   1\n', (False, False)),
        ("semihard/deep/low.py", "value = 1\nunused = 2\n", (False, False)),
        ("semihard/deep/low.py", "from semihard.alone import x as value\n", (True, False)),
        ("semihard/top.py", TOP.replace("-> int:", '-> int:\n    """What it does."""'), (False, False)),
        ("semihard/top.py", TOP.replace("n: int = 1) -> int", "n=1)"), (False, False)),
        ("semihard/top.py", TOP.replace("n: int = 1", "n: int = 2"), (True, False)),
        ("semihard/top.py", TOP.replace("below 0", "is below zero"), (False, False)),
        ("semihard/top.py", TOP.replace("n < 0", "n < 1"), (True, False)),
        ("semihard/top.py", TOP.replace('"%d"', '"n = %d"'), (False, False)),
        ("semihard/top.py", TOP.replace('"go"', '"going"'), (False, False)),
        ("semihard/top.py", TOP.replace("return 1", "return 2"), (False, False)),
        ("run.py", FILES["run.py"] + "go()\n", (True, False)),
        ("semihard/compute/progress.py", "def progress(*_): print(1)\n", (False, False)),
        ("semihard/deep/low.py", 'value = "a string that is no docstring"\n', (True, False)),
    ],
)
def test_what_changes_the_fingerprint(copied, name, text, changed):
    assert after(copied, name, text) == changed


LOW = "semihard/deep/low.py"
STATE = "import torch\n\n\ndef s(x):\n    return x\n\n\nvalue = 1\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # where a name from elsewhere comes from, or that something is imported for what it does
        ("from mathlib import f\nvalue = f\n", "from otherlib import f\nvalue = f\n"),
        ("import mathlib as m\nvalue = m.x\n", "import otherlib as m\nvalue = m.x\n"),
        ("value = 1\n", "import patches\nvalue = 1\n"),
        # what a module does when it is imported, also where nobody reads the name that it is given
        (STATE, f"{STATE}_ = torch.set_default_dtype(torch.float64)\n"),
        (STATE, f"{STATE}OLD: object = torch.set_flush_denormal(True)\n"),
        (STATE, f"{STATE}class Setup:\n    torch.set_default_dtype(torch.float64)\n"),
        (STATE, f"{STATE}class Setup:\n    old = s(2)\n"),
        (STATE, f"{STATE}_ = s(2)\n"),
        (f"{STATE}def g(x=1):\n    return x\n", f"{STATE}def g(x=s(1)):\n    return x\n"),
        (f"{STATE}TABLE = {{}}\nTABLE['a'] = 1\n", f"{STATE}TABLE = {{}}\nTABLE['a'] = 2\n"),
        (f"{STATE}value += 1\n", f"{STATE}value += 2\n"),
        (f"{STATE}if True:\n    K = 1\n", f"{STATE}if True:\n    K = 2\n"),
        ("r = rng()\nvalue = r.draw()\n", "r = rng()\nwarm = r.draw()\nvalue = r.draw()\n"),
        # what puts a function where others find it
        (f"{STATE}@s\ndef g():\n    return 1\n", f"{STATE}@s\ndef g():\n    return 2\n"),
        (
            f"{STATE}@s.register\ndef g(x: int):\n    return 1\n",
            f"{STATE}@s.register\ndef g(x: float):\n    return 1\n",
        ),
        # an imported name bound anew
        (
            "from semihard.alone import x as value\nvalue = value + 1\n",
            "from semihard.alone import x as value\nvalue = value + 2\n",
        ),
        # text that is none
        (
            "def value():\n    log = []\n    log.append(1)\n    return log\n",
            "def value():\n    log = []\n    log.append(2)\n    return log\n",
        ),
        (
            "import logging\nlog = logging.getLogger('a')\n\n\ndef value(it):\n    log.info(next(it))\n",
            "import logging\nlog = logging.getLogger('a')\n\n\ndef value(it):\n    log.info('')\n",
        ),
        (
            "def progress(x):\n    return x\n\n\nvalue = progress(1)\n",
            "def progress(x):\n    return x\n\n\nvalue = progress(2)\n",
        ),
        (
            "def f(description):\n    return description\n\n\nvalue = f(description=1)\n",
            "def f(description):\n    return description\n\n\nvalue = f(description=2)\n",
        ),
        (
            "class Found(Exception): ...\n\n\ndef value():\n    raise Found(1)\n",
            "class Found(Exception): ...\n\n\ndef value():\n    raise Found(2)\n",
        ),
        ("def value():\n    raise SystemExit(1)\n", "def value():\n    raise SystemExit(2)\n"),
        # names that are read as text
        ("x = 1\nvalue = eval('x')\n", "x = 2\nvalue = eval('x')\n"),
        ("x = 1\nvalue = globals()['x']\n", "x = 2\nvalue = globals()['x']\n"),
        ("def __getattr__(name):\n    return 1\n", "def __getattr__(name):\n    return 2\n"),
    ],
)
def test_what_hides_a_change_is_seen(copied, first, second):
    (copied / LOW).write_text(first)
    forget()
    assert after(copied, LOW, second) == (True, False)


def test_what_an_imported_name_bound_anew_wraps_is_followed(copied):
    (copied / LOW).write_text("from semihard.alone import x as value\nvalue = abs(value)\n")
    forget()
    assert after(copied, "semihard/alone.py", "x = 2\n") == (True, True)


@pytest.mark.parametrize("line", ["from .alone import x", "from semihard.alone import *", "import semihard.deep.low"])
def test_an_import_that_is_not_followed_is_refused(copied, line):
    (copied / "semihard/top.py").write_text(f"{line}\n{TOP}")
    forget()
    with pytest.raises(InputError, match=r"top\.py, line 1: .*write `from semihard\.… import …`"):
        fingerprint("run.py", scripts=copied)


@pytest.mark.parametrize(
    ("line", "changed"), [("TABLE['a'] = 1", True), ("K = abs(-1)", False), ("if True:\n    K = 1", True)]
)
def test_what_a_module_does_enters_with_a_definition_of_it(copied, line, changed):
    text = "TABLE = {}\n\n\ndef build():\n    return 1\n"
    (copied / "semihard/family.py").write_text(text)
    forget()
    before = fingerprint("other.py", "semihard.family:build", scripts=copied)
    (copied / "semihard/family.py").write_text(f"{text}{line}\n")
    forget()
    assert (fingerprint("other.py", "semihard.family:build", scripts=copied) != before) == changed


def test_an_entry_that_is_not_there_is_named(copied):
    forget()
    with pytest.raises(InputError, match=r"alone\.py: has no 'build'"):
        fingerprint("run.py", "semihard.alone:build", scripts=copied)
    with pytest.raises(InputError, match=r"semihard/gone\.py: not found"):
        fingerprint("run.py", "semihard.gone", scripts=copied)


def test_an_entry_is_a_module_a_definition_or_one_of_its_names(copied):
    text = 'NAMES = {"a": 1, "b": 2}\n\n\ndef build():\n    return NAMES\n'
    (copied / "semihard/family.py").write_text(text)

    def of(entry: str) -> str:
        forget()
        return fingerprint("other.py", entry, scripts=copied)

    before = {entry: of(f"semihard.family{entry}") for entry in ("", ":a", ":b")}
    assert len(set(before.values())) == 3
    (copied / "semihard/family.py").write_text(text.replace('"b": 2', '"b": 3, "c": 4'))
    assert [of(f"semihard.family{entry}") != old for entry, old in before.items()] == [True, False, True]
    (copied / "semihard/family.py").write_text(text.replace("return NAMES", "return None"))
    assert all(of(f"semihard.family{entry}") != old for entry, old in before.items())
    definition = of("semihard.family:build")
    (copied / "semihard/family.py").write_text(
        text.replace("return NAMES", "return None") + "\n\ndef further():\n    return 1\n"
    )
    assert of("semihard.family:build") == definition

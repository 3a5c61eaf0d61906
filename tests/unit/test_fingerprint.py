"""The code fingerprint: edits that can change a result change it, all others do not."""

import ast
from pathlib import Path

import pytest

from semihard.errors import InputError
from semihard.settings.base import Settings
from semihard.settings.registry import LIBRARY
from semihard.workflow.fingerprint import SCRIPTS, fingerprint
from semihard.workflow.module_code import RESULT_NEUTRAL, file_of, read_module
from semihard.workflow.reruns import entries_of, modules, scripts, stages_after_edit

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


def test_every_neutral_module_exists():
    for module in RESULT_NEUTRAL:
        assert file_of(module, SCRIPTS), module


def test_library_imports_are_static_and_absolute_but_for_what_is_found_by_name():
    for path in LIBRARY.rglob("*.py"):
        text = path.read_text()
        dynamic = path.relative_to(LIBRARY).as_posix() in ("settings/registry.py", "figures/draw.py")
        assert dynamic or ("import_module" not in text and "__import__(" not in text), path
        assert not any(line.lstrip().startswith("from .") for line in text.splitlines()), path


def test_settings_compute_nothing():
    """What a stage calls of its settings would be in no fingerprint."""

    def kinds(base: type) -> list[type]:
        return [kind for derived in base.__subclasses__() for kind in (derived, *kinds(derived))]

    import semihard.workflow.settings  # noqa: F401  (brings in the settings of every room)

    assert len(kinds(Settings)) > 30
    for kind in kinds(Settings):
        path = file_of(kind.__module__, SCRIPTS)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                validators = ["validator" in "".join(map(ast.unparse, item.decorator_list)) for item in functions]
                assert all(validators), f"{kind.__name__} in {path}"


# ── the library itself ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of scripts and library, to be edited."""
    for path in [*SCRIPTS.glob("*.py"), *LIBRARY.rglob("*.py")]:
        copy = tmp_path / path.relative_to(SCRIPTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    return tmp_path


def fingerprints(folder: Path) -> dict[tuple[str, str], str]:
    """Of every script, alone and with each thing that it may find by name."""
    forget()
    return {
        (script, entry): fingerprint(f"{script}.py", *filter(None, [entry]), scripts=folder)
        for script in scripts()
        for entry in ("", *entries_of(script))
    }


class Reworded(ast.NodeTransformer):
    """Other words wherever words are said to people only; `changed` counts them."""

    def __init__(self):
        self.changed = 0

    def reword(self, node: ast.AST) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                inner.value += " reworded"
                self.changed += 1

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            self.reword(ast.Tuple(node.exc.args))
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        called = ast.unparse(node.func)
        if called in ("InputError", "progress") or called.split(".")[0] in ("log", "logger"):
            self.reword(ast.Tuple(node.args))
        for keyword in node.keywords:
            if keyword.arg in ("meaning", "description"):
                self.reword(keyword.value)
        return self.generic_visit(node)


def test_no_sentence_and_no_meaning_is_in_a_fingerprint(library):
    before, reworded = fingerprints(library), Reworded()
    for path in (library / "semihard").rglob("*.py"):
        path.write_text(ast.unparse(reworded.visit(ast.parse(path.read_text()))))
    assert reworded.changed > 900
    after = fingerprints(library)
    assert {key for key in before if after[key] != before[key]} == set()


def test_no_knob_is_in_a_fingerprint(library):
    """Snakemake compares the values of settings; their fields, defaults and checks change nothing by themselves."""
    before, fields = fingerprints(library), 0
    for path in (library / "semihard").rglob("settings.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call) and node.value.args:
                node.value.args[0] = ast.Constant("another default")
                fields += 1
        path.write_text(ast.unparse(tree))
    assert fields > 80
    assert fingerprints(library) == before


class Edited(ast.NodeTransformer):
    """One more statement in every function and class, and another value for every constant and call."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body.append(ast.parse("edited = 1").body[0])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.body.append(ast.Global(["edited"]))
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        for item in node.body:
            if isinstance(item, ast.Assign) and [ast.unparse(target) for target in item.targets] != ["NAMES"]:
                item.value = ast.Tuple([item.value])
            if isinstance(item, ast.Expr) and isinstance(item.value, ast.Call):
                item.value = ast.Tuple([item.value])
        return node


def test_an_edit_of_each_module_reruns_what_the_page_says(library):
    before, table = fingerprints(library), stages_after_edit()
    for module in modules():
        path = file_of(module, library)
        text = path.read_text()
        path.write_text(ast.unparse(Edited().visit(ast.parse(text))))
        after = fingerprints(library)
        always = {script for script in scripts() if after[script, ""] != before[script, ""]}
        changed = {script for script, entry in after if after[script, entry] != before[script, entry]}
        assert (sorted(always), sorted(changed - always)) == table[module], module
        path.write_text(text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("recognizer/heads/newest.py", "class Newest: ...\n"),
        ("recognizer/backbones/newest.py", "Backbone = None\n"),
        ("generator/operators/newest.py", "def change(*given): ...\n"),
        ("sources/readers/newest.py", "def read(*given): ...\n"),
        ("storage/schemas.py", '\nNEWEST = Schema("newest", {"x": Dataset("str", "N", meaning="new")})\n'),
    ],
)
def test_a_new_thing_of_a_known_kind_reruns_nothing(library, path, text):
    before = fingerprints(library)
    with (library / "semihard" / path).open("a") as file:
        file.write(text)
    assert fingerprints(library) == before


def test_a_schema_of_another_version_reruns_those_that_write_or_read_it(library):
    before, path = fingerprints(library), library / "semihard/storage/schemas.py"
    lines = path.read_text().splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith("BINS = Schema("))
    end = next(i for i in range(start, len(lines)) if lines[i] == ")\n")
    lines.insert(end, "    version=2,\n")
    path.write_text("".join(lines))
    after = fingerprints(library)
    assert {script for script, entry in after if after[script, entry] != before[script, entry]} == {
        "bin_similarity",
        "extract_bin",
        "plot_figure",
    }

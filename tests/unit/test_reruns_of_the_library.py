"""What an edit of this library makes anew: as little as docs/reruns.md says, and nothing for words and knobs."""

import ast
from pathlib import Path

import pytest

from semihard.settings.base import Settings
from semihard.settings.registry import LIBRARY
from semihard.workflow import module_code
from semihard.workflow.fingerprint import SCRIPTS, fingerprint
from semihard.workflow.module_code import RESULT_NEUTRAL, file_of
from semihard.workflow.reruns import entries_of, modules, scripts, stages_after_edit
from tests.unit.test_fingerprint import forget


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


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of scripts and library, to be edited."""
    for path in [*SCRIPTS.glob("*.py"), *LIBRARY.rglob("*.py")]:
        copy = tmp_path / path.relative_to(SCRIPTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    return tmp_path


def fingerprints(folder: Path) -> dict[tuple[str, str], str]:
    """Of every script, alone and with each thing that it may find by name, every file read anew."""
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


@pytest.fixture
def read_once(monkeypatch) -> dict[tuple[str, Path], module_code.Module]:
    """The modules that were read, by name and folder; what is taken out is read anew."""
    read: dict[tuple[str, Path], module_code.Module] = {}

    def read_module(name: str, folder: Path) -> module_code.Module:
        if (name, folder) not in read:
            read[name, folder] = module_code.Module(name, folder)
        return read[name, folder]

    monkeypatch.setattr(module_code, "read_module", read_module)
    return read


def forget_what_is_reached(module: module_code.Module) -> None:
    """What the module found in others, which may be read anew; what it says itself stays."""
    vars(module).pop("imported_effects", None)
    for part in (module.whole, module.effects, *module._parts.values()):
        vars(part).pop("reached", None)


def test_an_edit_of_each_module_reruns_what_the_page_says(library, read_once):
    before, table = fingerprints(library), stages_after_edit()
    for module in modules():
        path = file_of(module, library)
        text = path.read_text()
        path.write_text(ast.unparse(Edited().visit(ast.parse(text))))
        read_once.pop((module, library), None)
        for other in read_once.values():
            forget_what_is_reached(other)
        after = fingerprints(library)
        always = {script for script in scripts() if after[script, ""] != before[script, ""]}
        changed = {script for script, entry in after if after[script, entry] != before[script, entry]}
        assert (sorted(always), sorted(changed - always)) == table[module], module
        path.write_text(text)
        read_once.pop((module, library), None)


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

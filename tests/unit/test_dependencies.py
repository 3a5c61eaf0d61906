"""What is installed is what is imported, and what that needs: the package's dependencies, and each conda environment's."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from semihard.workflow.code_entries import possible
from semihard.workflow.figures import FIGURES
from semihard.workflow.module_code import file_of, parents

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow_scripts"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
DISTRIBUTION = {  # of import names that are not their distribution's
    "PIL": "pillow", "cv2": "opencv-python-headless", "sklearn": "scikit-learn", "xdist": "pytest-xdist", "yaml": "pyyaml",
    "pydantic_core": "pydantic",
}  # fmt: skip
TOOLS = {"mkdocs-material", "pytest-timeout", "ruff", "setuptools", "snakefmt"}  # the tests call them, or pytest does
IMPORTED_BY = {  # by what those modules import
    "semihard.recognizer.onnx_file": {"onnx", "onnxscript"},  # torch.onnx.export, which is called
    "semihard.audit.fidelity": {
        "matplotlib"
    },  # torchmetrics: where Snakemake's own packages, which a job may find, have it
}
LEFT_TO_TORCH = {"triton", *(ROOT / "envs/cuda-packages.txt").read_text(encoding="utf-8").split()}
# Its imports are run where somebody imports torchvision, who brings torch.
IMPORTS_NOTHING_ITSELF = "semihard.compute.torchvision_cpu"


def listed(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@cache
def imported(path: Path) -> list[tuple[str, str | None]]:
    """The modules that a file imports when it runs, within functions too, each with the name that is taken of it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    nodes = list(ast.walk(tree))
    whole = [(alias.name, None) for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return whole + [(node.module, alias.name) for node in froms for alias in node.names]


def distributions(modules: list[str]) -> set[str]:
    """What these modules are of, but for Python's own, this library and the tests."""
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"semihard", "tests"}
    return {DISTRIBUTION.get(top, canonicalize_name(top)) for top in tops}


def reached(script: str) -> dict[str, str]:
    """What is imported when a script runs its course, and by which module: the library's modules by name, others."""
    entries = [entry.partition(":")[0] for entry in possible(script.removesuffix(".py"))]
    if script == "plot_figure.py":
        entries += [f"semihard.figures.{figure.draws.partition(':')[0]}" for figure in FIGURES]
    found: dict[str, str] = {}
    waiting = [(script, "a rule"), *((entry, script) for entry in entries)]
    while waiting:
        module, by = waiting.pop()
        if module in found:
            continue
        found[module] = by
        path = file_of(module, SCRIPTS)
        if path is None or module == IMPORTS_NOTHING_ITSELF:
            continue
        if not module.endswith(".py"):
            waiting += [(package, module) for package in parents(module)]
        for target, name in imported(path):
            waiting.append((f"{target}.{name}" if name and file_of(f"{target}.{name}", SCRIPTS) else target, module))
    return found


def scripts_of(environment: str) -> Iterator[str]:
    """The scripts of the rules that name an environment; a rule derived from another has that one's."""
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^ *rule(?: \w+)?:", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            script = re.search(r"\.\./workflow_scripts/(\w+\.py)", block)
            if script and f'"../envs/{environment}.yaml"' in block:
                yield script[1]


def test_the_library_lists_what_it_imports():
    files = [*SCRIPTS.rglob("*.py")]
    modules = [module for path in files for module, _ in imported(path)]
    assert distributions(modules).union(*IMPORTED_BY.values()) == listed(project()["dependencies"])


def test_snakemake_is_what_the_rules_import_beside_the_library():
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    lines = re.findall(
        r"^ *(?:from|import) ([\w.]+)", "\n".join(path.read_text(encoding="utf-8") for path in rules), re.M
    )
    assert distributions(lines) == listed(project()["optional-dependencies"]["workflow"]) == {"snakemake"}
    assert 'min_version("9.12.0")' in rules[0].read_text(encoding="utf-8")
    assert project()["optional-dependencies"]["workflow"] == ["snakemake[reports]>=9.12"]


def test_tests_list_what_they_import():
    files = [path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    imports = distributions([module for path in files for module, _ in imported(path)])
    extra = listed(project()["optional-dependencies"]["test"])
    others = listed(project()["dependencies"]) | {"snakemake"}
    assert imports - extra - others == set() and extra - imports - TOOLS == set()


def test_every_rule_has_an_environment():
    scripts = [script for path in ENVIRONMENTS for script in scripts_of(path.stem)]
    assert sorted(scripts) == sorted(path.name for path in SCRIPTS.glob("*.py"))


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_what_its_scripts_import(path):
    """`make lock` keeps the versions; a name that is missing or too many is written or deleted by hand."""
    wanted: dict[str, str] = {}
    for script in set(scripts_of(path.stem)):
        for module, by in reached(script).items():
            wanted |= dict.fromkeys(IMPORTED_BY.get(module, ()), module)
            if file_of(module, SCRIPTS) is None:
                wanted |= dict.fromkeys(distributions([module]), f"{by}, for {script}")
    held = listed(packages(path, before=IN_TURN))
    missing = {name: by for name, by in wanted.items() if name not in held}
    assert (missing, held - set(wanted)) == ({}, set()), "missing, and imported by whom; unused"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_names_all_that_its_packages_need(path):
    """So that nothing is left to the day of its installation; by what the installed packages say that they require."""
    python = python_of(path)
    held = {package.name: package for package in map(Requirement, packages(path)) if wanted_for(package, python)}
    met, waiting = set(), [(name, "") for name in listed(packages(path, before=IN_TURN))]
    while waiting:
        name, extra = waiting.pop()
        met.add((name, extra))
        for item in map(Requirement, metadata.requires(name) or ()):
            other = canonicalize_name(item.name)
            if other in LEFT_TO_TORCH or not wanted_for(item, python, extra):
                continue
            assert other in held, f"{name} needs {other}: run `make lock`"
            [version] = held[other].specifier
            assert version.version in item.specifier, f"{name} needs {item}, the environment has {version}"
            waiting += [(other, extra) for extra in ("", *item.extras) if (other, extra) not in met]
    needed = {name for name, _ in met}
    assert set(held) - needed == set(), "nobody needs them: run `make lock`"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_of_the_lock_file(path):
    python = python_of(path)
    lock = [Requirement(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    pinned = {canonicalize_name(item.name): item for item in lock if wanted_for(item, python)}
    for package in map(Requirement, packages(path)):
        if wanted_for(package, python):
            assert package.specifier == pinned[canonicalize_name(package.name)].specifier, f"{package}: run `make lock`"


def wanted_for(package: Requirement, python: str, extra: str = "") -> bool:
    """Whether a requirement holds for a Python on this platform."""
    version = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
    return package.marker is None or package.marker.evaluate(version)


IN_TURN = "# what these need in turn"  # what an environment lists before this line


def packages(path: Path, before: str | None = None) -> list[str]:
    """The lines of an environment that pip installs; those before a comment alone."""
    text = path.read_text(encoding="utf-8")
    if before:
        text, found, _ = text.partition(before)
        assert found, f"{path.name} has no line {before!r}"
    return next(item["pip"] for item in yaml.safe_load(text)["dependencies"] if isinstance(item, dict))


def python_of(path: Path) -> str:
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    return next(item.removeprefix("python=") for item in dependencies if str(item).startswith("python="))


def test_environments_have_one_python():
    assert len({python_of(path) for path in ENVIRONMENTS}) == 1

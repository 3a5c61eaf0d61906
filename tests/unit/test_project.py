"""The project agrees with itself: pages, environments, profiles, scripts and rules are in step."""

import ast
import graphlib
import importlib.util
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from semihard.generator.method import Method, method_named
from semihard.settings import registry
from semihard.workflow.code_entries import FOUND
from semihard.workflow.configuration import read_yaml
from semihard.workflow.docs_pages import pages
from semihard.workflow.figures import FIGURES
from semihard.workflow.fingerprint import reached_by
from semihard.workflow.moved_modules import MOVED
from semihard.workflow.study import Plan

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow_scripts" / "semihard"
# From the ground up: a module imports from its own room and from those below.
ROOMS = ["errors", "settings", "storage", "compute", "recognizer", "similarity", "sources", "verification", "generator"]
ROOMS += ["attributes", "audit", "study_table", "figures", "workflow"]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ["configuration.md", "config.schema.json", "artifacts.md", "reruns.md"])
def test_reference_pages_are_in_step(name):
    assert (ROOT / "docs" / name).read_text() == pages()[name], "run `make docs`"


def test_lock_pins_every_dependency_and_no_cuda_package():
    lock = (ROOT / "requirements.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9.\-]+)==", lock, re.M))
    extras = project()["optional-dependencies"]
    wanted = project()["dependencies"] + extras["workflow"] + extras["slurm"]
    assert {re.split(r"[\[><=!]", requirement)[0].lower() for requirement in wanted} <= pinned
    assert (
        not re.search(r"^(nvidia|cuda|triton)", lock, re.M)
        and "file:" not in lock
        and "http" not in re.sub(r"http\S*==", "", lock)
    )
    versions, of_tests = (  # without markers: what the tests need on any machine may be needed on some without them
        {line.split(" ;")[0] for line in text.splitlines()}
        for text in (lock, (ROOT / "requirements-test.txt").read_text(encoding="utf-8"))
    )
    assert versions <= of_tests


def test_what_names_the_version_names_one():
    version = project()["version"]
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]) == version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.+?)\]", changelog, re.M)[0] in (version, "Unreleased")
    assert re.search(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d|not released yet)$", changelog, re.M)


def test_the_image_is_made_as_the_makefile_makes_an_environment():
    dockerfile, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "Makefile"))
    stamp = ".venv/run.stamp"
    assert f"RUN make {stamp}\n" in dockerfile and f"{stamp}: requirements.txt" in makefile
    assert re.search(rf"^{re.escape(stamp)}:.*\n\t\$\(INSTALL\) -r requirements.txt$", makefile, re.M)
    assert "--compile-bytecode" in re.search(r"^INSTALL = (.*)", makefile, re.M)[1]
    python = re.search(r"^FROM python:(\d\.\d+)-slim$", dockerfile, re.M)[1]
    for path in (ROOT / "envs").glob("*.yaml"):
        assert f"python={python}" in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"], path
    instructions = [line.split()[0] for line in dockerfile.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.index("USER") < instructions.index("COPY") and "USER root" not in dockerfile
    copied = re.search(r"^COPY --chown=semihard (.+) \./$", dockerfile, re.M)[1].split()
    assert all((ROOT / name).is_file() for name in copied) and {"Makefile", "requirements.txt"} == set(copied)


def test_an_image_holds_nothing_that_git_ignores():
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    assert {f"**/{name}" for name in ignored} | {".git", "data"} == {line for line in left_out if line[:1] != "#"}


def test_the_workflow_catalog_is_told_what_it_asks_for():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme and (ROOT / "Snakefile").is_file()
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert set(usage["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}


def test_profiles_agree_on_what_triggers_a_rerun():
    default, slurm = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert default["rerun-triggers"] == slurm["rerun-triggers"] == ["mtime", "params", "input", "software-env"]
    assert default["rerun-incomplete"] and slurm["rerun-incomplete"]


def rules() -> dict[str, dict[str, str]]:
    found = {}
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=(?:use )?rule )", path.read_text(), flags=re.M)[1:]:
            name = re.match(r"(?:use rule \w+ as |rule )(\w+)", block)[1]
            script = re.search(r"script:\s+\"../workflow_scripts/(\w+).py\"", block)
            code = re.search(r"code\(\"(\w+)\"(, \"\w+\")?\)", block)
            found[name] = {"script": script and script[1], "code": code and code[1], "derived": block.startswith("use")}
    return found


PINNED = {"retrieve_file"}  # a checksum or a commit says what it gives, whatever code fetched it


def test_every_rule_has_the_script_of_its_name_and_its_fingerprint():
    for name, rule in rules().items():
        if rule["derived"]:
            assert rule["script"] is None
        else:
            assert rule["script"] == name
            assert rule["code"] == (None if name in PINNED else name)
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")} - {"plot_figure"}
    assert scripts == {name for name, rule in rules().items() if not rule["derived"]}


def test_pictures_of_the_pages_are_small():
    """A figure copied from results is brought to 256 colours first: Image.quantize(256)."""
    for path in (ROOT / "docs").iterdir():
        assert path.stat().st_size < 1_000_000, path


def test_scripts_are_thin():
    for path in (ROOT / "workflow_scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 25, path


def test_imports_run_downward():
    floor = {room: number for number, room in enumerate(ROOMS)}
    for path in LIBRARY.rglob("*.py"):
        own = path.relative_to(LIBRARY).with_suffix("").parts[0]
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("semihard."):
                target = node.module.split(".")[1]
                assert floor[target] <= floor[own], f"{path.relative_to(ROOT)} imports {node.module}"
    assert {path.name for path in LIBRARY.iterdir() if path.suffix == ".py"} == {"__init__.py", "errors.py"}


def test_no_imports_go_in_a_circle():
    modules = {
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in LIBRARY.rglob("*.py")
    }
    imports = {}
    for name, path in modules.items():
        imported = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
        wanted = {(f"{node.module}.{alias.name}", node.module) for node in imported for alias in node.names}
        imports[name] = {inner if inner in modules else module for inner, module in wanted} & set(modules)
    assert len(list(graphlib.TopologicalSorter(imports).static_order())) == len(modules)


def test_no_module_is_long():
    for path in LIBRARY.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path


def test_library_knows_nothing_of_snakemake():
    for path in LIBRARY.rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", path.read_text(), re.M), path


def test_shipped_configurations_are_valid(monkeypatch):
    monkeypatch.setenv("SEMIHARD_FACES", "/faces")
    for path in [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]:
        Plan(read_yaml(path))


def test_parsing_the_workflow_needs_nothing_heavy():
    heavy = ["torch", "numpy", "pandas", "h5py", "diffusers", "matplotlib"]
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    wanted = re.findall(r"from (semihard\S+) import", rules)
    assert len(wanted) > 5
    program = (
        f"import sys; sys.path.insert(0, 'workflow_scripts'); import {', '.join(wanted)}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_module_of_an_earlier_version_says_where_it_is():
    for old, new in MOVED.items():
        assert importlib.util.find_spec(f"semihard.{new}")
        with pytest.raises(ImportError, match=f"^semihard.{old} is semihard.{new} now$"):
            importlib.import_module(f"semihard.{old}")
    with pytest.raises(ImportError, match="^semihard.artifacts is semihard.storage.artifacts now$"):
        from semihard import artifacts  # noqa: F401


@pytest.mark.parametrize("name", registry.names_of("generator.methods"))
def test_a_method_has_every_function_that_the_workflow_asks_for(name):
    module = method_named(name)
    for function, declared in inspect.getmembers(Method, inspect.isfunction):
        if function.startswith("_"):
            continue
        parameters = list(inspect.signature(declared).parameters)[1:]
        assert list(inspect.signature(getattr(module, function)).parameters) == parameters, function


def test_every_registered_thing_is_named_by_a_test():
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    packages = {found.package for of_script in FOUND.values() for found in of_script}
    unnamed = [
        f"{package}: {name}"
        for package in sorted(packages)
        for name in registry.names_of(package)
        if not re.search(rf"\b{re.escape(name)}\b", tests)
    ]
    unnamed += [figure.draws for figure in FIGURES if figure.draws.partition(":")[2] not in tests]
    assert unnamed == []


@pytest.mark.parametrize("figure", FIGURES, ids=[figure.rule for figure in FIGURES])
def test_every_figure_has_its_caption_and_its_function(figure):
    assert (ROOT / "report" / f"{figure.caption}.rst").read_text().strip()
    module, function = figure.draws.split(":")
    assert callable(getattr(importlib.import_module(f"semihard.figures.{module}"), function))


def test_no_caption_is_left_over():
    captions = {path.stem for path in (ROOT / "report").glob("*.rst")} - {"workflow"}
    assert captions == {figure.caption for figure in FIGURES} | other_captions()


def other_captions() -> set[str]:
    """Captions that the rules name themselves."""
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    return set(re.findall(r"report/(\w+)\.rst", rules))


def test_a_stage_that_takes_a_gpu_where_there_is_one_asks_for_it():
    """`best_device` gives the GPU of the machine; a job that has asked for none would share that of another job."""
    asks = {}
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule )", path.read_text(), flags=re.M):
            if script := re.search(r"workflow_scripts/(\w+\.py)", block):
                asks[script[1]] = asks.get(script[1], True) and "gpu=" in block
    takes = {script for script in asks if ("semihard.compute.device", "best_device") in reached_by(script)}
    assert {"train_generator.py", "audit_leakage.py", "verify.py"} <= takes
    assert {script for script in takes if not asks[script]} == set()

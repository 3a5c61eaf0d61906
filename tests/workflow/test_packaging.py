"""The library as an installed package without Snakemake, and the workflow as a module of another: docs/packaging.md."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from semihard.generator.export_pipeline import export_pipeline
from tests.unit.toy_generator import SIZE, toy_embedder, toy_generator, toy_images
from tests.workflow.conftest import ROOT, Project, copy_project

PAGE = (ROOT / "docs/packaging.md").read_text(encoding="utf-8")
WITHOUT_SNAKEMAKE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("snakemake"):
            raise ModuleNotFoundError(f"{name}: not to be imported")
sys.meta_path.insert(0, Absent())
"""
EVERY_MODULE = """
import importlib, pkgutil, semihard
names = [module.name for module in pkgutil.walk_packages(semihard.__path__, "semihard.")]
for name in names:
    importlib.import_module(name)
print(semihard.__file__, *names)
"""


def block(language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder / name)
    without = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "workflow_scripts", folder / "workflow_scripts", ignore=without)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*pip, "--wheel-dir", "wheels", "."], cwd=folder, check=True)
    [path] = (folder / "wheels").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", folder, wheel], check=True)
    return folder


def python(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_is_the_library_and_needs_no_snakemake(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        needs = re.findall(r"^Requires-Dist: (.*)", archive.read(metadata).decode(), re.M)
    scripts = ROOT / "workflow_scripts"
    library = [path for path in (scripts / "semihard").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert names == {path.relative_to(scripts).as_posix() for path in library}
    assert [line for line in needs if line.startswith("snakemake") and "extra ==" not in line] == []
    assert any(line.startswith("snakemake") and 'extra == "workflow"' in line for line in needs)


def test_the_installed_library_imports_whole_without_snakemake(installed, tmp_path):
    done = python(installed, tmp_path, "-c", WITHOUT_SNAKEMAKE + EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    file, *names = done.stdout.split()
    assert Path(file) == installed / "semihard/__init__.py"
    modules = {path for path in (ROOT / "workflow_scripts/semihard").rglob("*.py")}
    assert len(names) == len(modules) - 1  # all but the package itself


def test_the_installed_library_draws_from_a_pipeline(installed, tmp_path):
    """By the lines of the page, on pictures and a pipeline that lie where they say."""
    embedder = toy_embedder(tmp_path / "embedder.safetensors")
    generator = toy_generator(tmp_path / "generator.safetensors", embedder)
    export_pipeline("CC0-1.0", generator, tmp_path / "pipeline", embedder)
    (tmp_path / "photographs").mkdir()
    for number, image in enumerate(toy_images(2)):
        Image.fromarray(image).save(tmp_path / f"photographs/{number}.png")
    lines = block("python").replace("steps=20", "steps=2")
    assert len([line for line in lines.splitlines() if line]) <= 10
    done = python(installed, tmp_path, "-c", WITHOUT_SNAKEMAKE + lines)
    assert done.returncode == 0, done.stderr
    drawn = [np.asarray(Image.open(tmp_path / f"{number}.png")) for number in range(8)]
    assert all(image.shape == (SIZE, SIZE, 3) for image in drawn) and (drawn[0] != drawn[4]).any()
    assert not (tmp_path / "8.png").exists()


def test_what_needs_the_checkout_says_so(installed, tmp_path):
    done = python(installed, tmp_path, "-m", "semihard.workflow.docs_pages")
    assert done.returncode == 1 and done.stderr.endswith("the reference pages are written in a checkout\n")
    program = "from semihard.workflow.fingerprint import fingerprint; fingerprint('verify.py')"
    done = python(installed, tmp_path, "-c", program)
    assert "InputError: " in done.stderr and f"{installed}/verify.py: not found; the code of a stage" in done.stderr


STUDY = {
    "results": "results/faces",
    "facesets": {"real": {"source": "rendered", "identities": 6, "per_identity": 5, "image_size": 32}},
    "recognizers": {
        "tiny": {"recipe": "tiny", "embedding_dim": 16, "image_size": 32, "batch": 15, "epochs": 1, "milestones": []}
    },
    "embedders": {"trained": {"source": "recognizer", "trained_on": "real", "recognizer": "tiny"}},
    "benchmarks": {"held_out": {"source": "rendered", "identities": 20, "pairs": 60, "image_size": 32}},
    "study": {"real": "real", "recognizer": "tiny", "embedder": "trained", "benchmarks": ["held_out"]},
}


@pytest.fixture(scope="module")
def outer(tmp_path_factory, warm) -> Project:
    """Another project with the page's Snakefile, and this workflow cloned into it at a tag."""
    released = copy_project(tmp_path_factory.mktemp("released")).folder
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main"]
    for arguments in (["init"], ["add", "."], ["commit", "-m", "release"], ["tag", "v0.1.0"]):
        subprocess.run([*git, *arguments], cwd=released, check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("outer")
    clone = ["clone", "--quiet", "--branch", "v0.1.0", released, folder / "semihard"]
    subprocess.run([*git, "-c", "advice.detachedHead=false", *clone], check=True)
    project = Project(folder, warm)
    (folder / "Snakefile").write_text(block("snakemake"), encoding="utf-8")
    project.configure({"mine": "of the other workflow", "semihard": STUDY})
    return project


PROFILE = ("--workflow-profile", "semihard/profiles/default")


def test_a_study_is_a_module_of_another_workflow(outer):
    outer.snakemake("--cores", "2", *PROFILE)
    table = (outer.folder / "results/table.txt").read_text()
    assert "| real |" in table and (outer.folder / "results/faces/figures/accuracy.svg").is_file()
    assert not (outer.folder / "semihard/results").exists() and not (outer.folder / "semihard/.snakemake").exists()
    assert outer.would_run(*PROFILE) == {}
    study = STUDY | {"study": STUDY["study"] | {"binning": "quantile-2"}}
    outer.configure({"mine": "of the other workflow", "semihard": study})
    last = {"semihard_count_costs", "semihard_write_report"}
    assert set(outer.would_run(*PROFILE)) == {"semihard_bin_similarity", "semihard_plot_bins"} | last
    outer.configure({"mine": "of the other workflow", "semihard": STUDY})


def test_a_target_that_the_study_has_not_is_said(outer):
    out = outer.snakemake("-n", "results/faces/facesets/reel.h5", check=False)
    assert "'reel' is not an entry of facesets; did you mean 'real'?" in out


def test_two_studies_are_two_modules(outer):
    one = block("snakemake").partition("rule all:")[0]
    other = one.partition("module")[2].replace('config["semihard"]', 'config["semihard"] | {"results": "results/b"}')
    other = (
        other.replace("semihard_*", "other_*")
        .replace(" semihard as", " other as")
        .replace(" semihard:", "module other:")
    )
    (outer.folder / "two.smk").write_text(one + other, encoding="utf-8")
    jobs = outer.would_run("--snakefile", "two.smk", *PROFILE)  # the default target is the last module's
    assert jobs["other_train_recognizer"] == 1 and not [rule for rule in jobs if rule.startswith("semihard_")]


def test_two_versions_in_one_workflow_are_refused(outer, tmp_path):
    (tmp_path / "second").mkdir()
    second = copy_project(tmp_path / "second").folder
    one = block("snakemake").partition("rule all:")[0]
    other = one.replace("semihard/Snakefile", f"{second}/Snakefile").replace("semihard_*", "other_*")
    other = other.partition("module")[2].replace(" semihard as", " other as").replace(" semihard:", "module other:")
    (outer.folder / "versions.smk").write_text(one + other, encoding="utf-8")
    out = outer.snakemake("-n", "--snakefile", "versions.smk", check=False)
    assert f"the library was imported from {outer.folder}/semihard/workflow_scripts before" in out


def test_a_module_from_a_url_says_what_it_needs(outer, tmp_path, monkeypatch):
    """Snakemake's cache has the repository already, so that nothing is fetched."""
    cache = tmp_path / "snakemake/snakemake/source-cache/snakemake-git-cache/github.com/somebody/semihard"
    cache.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", outer.folder / "semihard", cache], check=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = 'github("somebody/semihard", path="Snakefile", tag="v0.1.0")'
    text = block("snakemake").replace('"semihard/Snakefile"', source)
    (outer.folder / "remote.smk").write_text(text, encoding="utf-8")
    out = outer.snakemake("-n", "--snakefile", "remote.smk", check=False)
    assert "semihard: not on this machine; use semihard from a clone at the tag you want" in out


def test_an_image_is_used_where_it_is_asked_for_alone(outer, tmp_path, monkeypatch):
    """A stand-in for apptainer notes what it is called with and runs it here."""
    program = tmp_path / "apptainer"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" != --version ] || exec echo apptainer version 1.3.0\n'
        'while [ "$1" != semihard.sif ]; do shift; done\nshift\nexec "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    faces = "results/faces/benchmarks/held_out/faces.h5"
    assert outer.would_run("--", faces) == {}
    outer.snakemake("--cores", "1", "--sdm", "apptainer", *PROFILE, "--", faces)
    [call] = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("exec ")]
    assert " semihard.sif " in call and "render_benchmark.py" in call


def test_the_study_runs_from_a_folder_without_a_snakefile(outer, tmp_path):
    """As in the image, where the workflow lies in /opt/semihard."""
    (tmp_path / "my_study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    project = Project(tmp_path, outer.python)
    arguments = ("--snakefile", str(outer.folder / "semihard/Snakefile"), "--configfile", "my_study.yaml")
    project.snakemake("--cores", "1", *arguments, "--", "results/faces/facesets/real.h5")
    assert (tmp_path / "results/faces/facesets/real.h5").is_file()

"""A copy of the project in a folder of its own, to be edited and run by tests."""

import compileall
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "workflow_scripts", "profiles", "envs", "report", "config.yaml", "configs", "docs")


@dataclass
class Project:
    """A working copy and its configuration file; python: what runs Snakemake and the scripts of its jobs."""

    folder: Path
    python: Path

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake in the copy; returns what it printed."""
        started = self.start(*arguments)
        out, _ = started.communicate()
        assert not check or started.returncode == 0, out[-8000:]
        return out

    def start(self, *arguments: str, **how: object) -> subprocess.Popen:
        """Start Snakemake in the copy; how: more for Popen."""
        command = [self.python, ROOT / "tests/run_snakemake.py", self.python, "--max-threads", "1", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, **pipes, **how)

    def would_run(self, *arguments: str) -> dict[str, int]:
        """Rule → number of jobs that a run would start now."""
        out = self.snakemake("-n", *arguments)
        table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", out, re.M | re.S)
        if not table:
            assert "Nothing to be done" in out, out
            return {}
        jobs = {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines() if line.strip()}
        return {rule: count for rule, count in jobs.items() if rule != "all"}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace `old`, which must be there once, in a file of the copy."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def configure(self, config: dict) -> None:
        """Replace config.yaml."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def copy_project(folder: Path, python: Path = Path(sys.executable)) -> Project:
    """The project's files, without results and environment, in `folder`."""
    compileall.compile_dir(ROOT / "workflow_scripts", quiet=1)  # once: jobs would do it, each for itself
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part)
    return Project(folder, python)


def give_make(project: Project) -> None:
    """What `make` needs in a copy: the Makefile, and this Python where it has its own."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy2(ROOT / name, project.folder / name)
    (project.folder / ".venv/bin").mkdir(parents=True)
    for name in ("uv", "python"):
        (project.folder / ".venv/bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (project.folder / ".venv/bin" / name).chmod(0o755)
    (project.folder / ".venv/run.stamp").touch()


def study_with_weights(folder: Path, config: dict, python: Path = Path(sys.executable)) -> Project:
    """The project with a configuration and the file of pretrained weights that it names."""
    import torch

    from semihard.recognizer.backbone import build_backbone

    project = copy_project(folder, python)
    torch.manual_seed(0)
    torch.save(build_backbone("mobilefacenet", (112, 112), 512).state_dict(), folder / "weights.pt")
    project.configure(config)
    return project


def small_study(folder: Path, python: Path = Path(sys.executable)) -> Project:
    """A small study with every kind of stage on real pixels; nothing of it made."""
    import numpy as np

    from semihard.sources.rendered.stream import rendered_faces
    from tests.unit.ijb_folder import IDENTITIES, PER_IDENTITY, write_ijb

    faces = np.concatenate([batch.images for batch in rendered_faces(IDENTITIES, PER_IDENTITY, 0)])
    write_ijb(folder / "ijbc", faces)
    return study_with_weights(folder, SMALL, python)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, warm) -> Project:
    """A small study, run to its end."""
    project = small_study(tmp_path_factory.mktemp("finished"), warm)
    project.snakemake("--cores", "2")
    return project


SMALL = {
    "results": "results/small",
    "facesets": {
        "real": {"source": "rendered", "identities": 12, "per_identity": 8},
        "strangers": {"source": "rendered", "identities": 12, "per_identity": 1, "first_identity": 500},
        "few": {"source": "subset", "of": "real", "identities": 4, "per_identity": 3},
        "easy": {
            "source": "similarity_bin",
            "of": "real",
            "embedder": "weights",
            "center": "mean",
            "binning": "quantile-2",
            "bin": [0, 1],
        },
        "synthetic": {
            **{
                "source": "synthesis",
                "generator": "tiny",
                "inquiries": "strangers",
                "identities": 6,
                "per_identity": 6,
            },
            **{"inquiry_threshold": 1.0, "steps": 2, "batch": 16, "shards": 2},
        },
        "other": {
            **{
                "source": "synthesis",
                "generator": "tiny",
                "inquiries": "strangers",
                "identities": 6,
                "per_identity": 6,
            },
            **{"inquiry_threshold": 1.0, "steps": 2, "batch": 16, "identity_mixup": True, "similarity": 0.5},
        },
    },
    "embedders": {"weights": {"source": "weights", "path": "weights.pt", "layout": "mobilefacenet_facexzoo"}},
    "attribute_classifiers": {"mac": {"source": "labels", "labelled": ["real"], "embedder": "weights"}},
    "generators": {
        "tiny": {
            "trained_on": "real",
            "embedder": "weights",
            "network": "tiny",
            "image_size": 16,
            "batch": 8,
            "epochs": 1,
            "keep_every": 1,
        }
    },
    "recognizers": {
        "tiny": {
            "backbone": "tiny",
            "embedding_dim": 32,
            "image_size": 32,
            "batch": 16,
            "epochs": 2,
            "milestones": [1],
            "keep_every": 1,
        },
        "mixed": {
            **{"backbone": "tiny", "embedding_dim": 32, "image_size": 32, "batch": 16, "epochs": 2, "milestones": [1]},
            "domain_mixup": {"real": "few"},
        },
    },
    "benchmarks": {
        "held_out": {"source": "rendered", "identities": 20, "pairs": 60},
        "absent": {"source": "bin", "path": "nowhere/lfw.bin"},
        "ijbc": {"source": "ijb", "path": "ijbc", "name": "ijbc"},
    },
    "study": {
        **{
            "real": "real",
            "recognizer": "tiny",
            "benchmarks": ["held_out", "absent"],
            "embedder": "weights",
            "binning": "quantile-2",
        },
        "compare": ["synthetic", "other", "easy", {"faceset": "synthetic", "recognizer": "mixed"}],
        "references": [{"embedder": "weights", "extra_benchmarks": ["ijbc"]}],
        "published": ["cemiface_table1"],
        "pipelines": [{"generator": "tiny", "licence": "CC0-1.0"}],
        "models": [{"recognizer": "tiny", "trained_on": "synthetic", "licence": "CC0-1.0"}],
        "attributes": {"classifier": "mac"},
        "leakage": {"false_match_rate": 0.02},  # of the inquiries' 66 pairs
    },
}

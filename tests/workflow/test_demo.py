"""The shipped demo, made small: every entry of config.yaml runs, class-weight centers and domain mixup included."""

import re

import h5py
import numpy as np
import pandas as pd
import yaml

from semihard.recognizer.model_file import load_class_centers
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes
from semihard.workflow.configuration import read_yaml
from tests.workflow.conftest import ROOT, copy_project


def test_the_demo_runs(tmp_path, warm):
    project = copy_project(tmp_path, warm)
    config = read_yaml(ROOT / "config.yaml")
    config["facesets"]["real"] |= {"identities": 16, "per_identity": 6}
    config["facesets"]["strangers"]["identities"] = 12
    config["facesets"]["real_few"] |= {"identities": 4, "per_identity": 2}
    for name in ("synthetic", "synthetic_mixup"):
        config["facesets"][name] |= {"identities": 6, "per_identity": 4, "steps": 2, "inquiry_threshold": 1.0}
    config["generators"]["tiny"] |= {"epochs": 0.5, "batch": 8}
    for name in ("tiny", "tiny_domain_mixup"):
        config["recognizers"][name] |= {"epochs": 1, "milestones": [], "batch": 16}
    config["benchmarks"]["held_out"] |= {"identities": 20, "pairs": 40}
    project.configure(config)
    project.snakemake("--cores", "2")

    results = tmp_path / "results/demo"
    table = pd.read_csv(results / "study/scores.csv", comment="#")
    assert table["label"].tolist() == ["real", "synthetic", "synthetic_mixup", "synthetic (tiny_domain_mixup)"]
    model = results / "recognizers/tiny/real/seed0/model.safetensors"
    centers = read_artifact(results / "centers/guide/real/class_weight.h5", schemas.CENTERS)
    weight, names = load_class_centers(model)
    weight = weight.numpy() / np.linalg.norm(weight.numpy(), axis=1, keepdims=True)
    order = [names.index(name) for name in centers["identity_names"]]
    np.testing.assert_allclose(centers["center"], weight[order], atol=1e-5)
    assert read_attributes(results / "generators/tiny/history.h5", schemas.HISTORY)["rule"] == "train_generator"
    with h5py.File(results / "facesets/synthetic_mixup.h5") as h5:
        assert set(np.round(h5["columns/phi"][:] * 20)) <= set(range(21))
    assert project.would_run() == {}


def test_every_command_of_the_readme_is_one_that_works():
    """The README's commands name targets of the Makefile, files and options that exist; the demo and the tests run them."""
    commands = re.findall(r"^(?:make|snakemake|cp) .*$", (ROOT / "README.md").read_text(), re.M)
    assert {command.split("#")[0].strip() for command in commands} >= {"make demo", "make test"}
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        words = command.split("#")[0].split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.M), command
        elif words[0] == "cp":
            assert yaml.safe_load((ROOT / words[1]).read_text())["study"], command
        elif "--workflow-profile" in words:
            assert (ROOT / words[words.index("--workflow-profile") + 1] / "config.yaml").is_file(), command

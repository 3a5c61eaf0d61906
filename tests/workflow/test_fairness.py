"""The fairness stages as Snakemake runs them: benchmarks of one group each, and what an edit makes anew."""

import copy

import numpy as np
import pandas as pd
import pytest

from semihard.sources.benchmark_bin import write_bin
from semihard.sources.rendered.stream import rendered_faces
from semihard.storage.pixels import encode_image
from semihard.study_table.fairness import read_fairness
from tests.workflow.conftest import Project, copy_project

PEOPLE, EACH = 12, 4
STUDY = {
    "results": "results/fair",
    "facesets": {"real": {"source": "rendered", "identities": 8, "per_identity": 4, "image_size": 32}},
    "embedders": {"own": {"source": "recognizer", "recognizer": "r", "trained_on": "real"}},
    "recognizers": {
        "r": {
            "recipe": "tiny",
            "backbone": "tiny",
            "embedding_dim": 16,
            "image_size": 32,
            "batch": 16,
            "epochs": 1,
            "milestones": [],
        }
    },
    "benchmarks": {
        name: {"source": "bin", "path": f"{name}.bin", "folds": 2, "group": name.title()}
        for name in ("asian", "indian")
    },
    "study": {
        "real": "real",
        "recognizer": "r",
        "seeds": [0, 1],
        "benchmarks": ["asian", "indian"],
        "references": ["own"],
        "embedder": "own",
        "fairness": {"fewest_pairs": 10, "false_match_rate": 0.1},
    },
}
TABLE, PICTURE = "results/fair/study/fairness.csv", "results/fair/figures/fairness/asian+indian.svg"


def write_pairs(path, first_identity: int) -> None:
    """A .bin of twelve rendered people: two genuine pairs and two impostor pairs of each."""
    images = np.concatenate(
        [batch.images for batch in rendered_faces(PEOPLE, EACH, 0, first_identity=first_identity, size=32)]
    )
    encoded = [encode_image(image, "png") for image in images]
    pairs = [(k * EACH + i, k * EACH + i + 1, True) for k in range(PEOPLE) for i in (0, 2)]
    pairs += [(k * EACH + i, (k + 1) % PEOPLE * EACH + i, False) for k in range(PEOPLE) for i in (0, 1)]
    pairs = pairs[::2] + pairs[1::2]  # both kinds in both folds
    write_bin(path, [encoded[i] for pair in pairs for i in pair[:2]], [same for *_, same in pairs])


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm) -> Project:
    project = copy_project(tmp_path_factory.mktemp("fair"), warm)
    for name, first_identity in (("asian", 900), ("indian", 950)):
        write_pairs(project.folder / f"{name}.bin", first_identity)
    project.configure(STUDY)
    project.snakemake("--cores", "2", TABLE, PICTURE)
    return project


def test_every_line_and_seed_is_audited(project):
    found = read_fairness(project.folder / TABLE)
    assert list(dict.fromkeys(found["label"])) == ["real", "own (reference)"]
    accuracy = found[found["quantity"] == "accuracy"].set_index(["label", "group"])
    assert accuracy.loc[("real", "Asian"), "pairs"] == 48 and accuracy.loc[("real", "Asian"), "seeds"] == "0 1"
    assert accuracy["value"].between(0, 100).all() and set(accuracy["people"]) == {12 * 2}
    assert accuracy.loc["real", "seed_sd"].notna().all() and accuracy.loc["own (reference)", "seed_sd"].isna().all()
    drawn = pd.read_csv((project.folder / PICTURE).with_suffix(".csv"))
    assert set(drawn["group"]) == {"Asian", "Indian"}
    assert "people are known by genuine pairs" in (project.folder / TABLE).read_text()


def test_other_groups_and_knobs_measure_again_and_nothing_else(project):
    assert project.would_run(TABLE, PICTURE) == {}
    config = copy.deepcopy(STUDY)
    config["study"]["fairness"]["false_match_rate"] = 0.2
    project.configure(config)
    measured = {"measure_fairness": 2, "measure_fairness_of_embedder": 1, "score_fairness": 1, "plot_fairness": 1}
    assert project.would_run(TABLE, PICTURE) == measured
    config = copy.deepcopy(STUDY)
    config["benchmarks"]["asian"]["group"] = "East Asian"
    project.configure(config)
    assert project.would_run(TABLE, PICTURE) == measured
    project.configure(STUDY)


def test_a_benchmark_is_audited_by_attributes_where_groups_are_asked_for(project):
    """The artifact of its attributes is asked for under its path; without groups the benchmark is left alone."""
    config = copy.deepcopy(STUDY)
    config["benchmarks"]["held_out"] = {"source": "rendered", "identities": 20, "pairs": 60}
    config["study"] |= {"benchmarks": ["asian", "indian", "held_out"], "attributes": {"classifier": "mac"}}
    config["attribute_classifiers"] = {"mac": {"source": "labels", "labelled": ["real"], "embedder": "own"}}
    project.configure(config)
    assert project.would_run(TABLE) == {}
    config["study"]["fairness"]["groups"] = ["Male"]
    project.configure(config)
    out = project.snakemake("-n", TABLE, check=False)
    assert "results/fair/attributes/mac/benchmarks/held_out.h5" in out

"""Only what changed reruns: a finished study, an edit, and the set of rules a run would start."""

import copy
import json
import os
import shutil
import time

import pytest

from tests.workflow.conftest import SMALL, Project
from tests.workflow.test_user_errors import FACES, STUDY, of_three_people

HEADS = "workflow_scripts/semihard/recognizer/heads/cosface.py"
AFTER_A_FACESET = {
    "plot_sample_sheet",
    "embed_faces",
    "find_identity_centers",
    "measure_diversity",
    "annotate_attributes",
}
AFTER_A_FACESET |= {
    "compare_attributes",
    "audit_leakage",
    "find_duplicates",
    "measure_fidelity",
    "train_recognizer",
    "verify",
    "verify_epochs",
    "score_study",
    "export_recognizer",
    "write_report",
    "count_costs",
}
PLOTS_OF_ALL = {
    "plot_accuracy",
    "plot_accuracy_over_similarity",
    "plot_roc",
    "plot_epochs",
    "plot_diversity",
    "plot_duplicates",
    "plot_fidelity",
    "plot_similarity_histogram",
    "plot_recognizer_curves",
    "plot_feature_map",
}
PLOTS_OF_SYNTHETIC = {
    "plot_leakage",
    "plot_nearest_sheet",
    "plot_attributes",
    "plot_attribute_divergence",
    "plot_attribute_heat",
    "plot_attribute_curves",
    "plot_attribute_map",
    "describe_face_set",
}
TABLE = {"score_study", "plot_accuracy", "plot_accuracy_over_similarity", "count_costs", "write_report"}


@pytest.fixture
def project(finished: Project, tmp_path) -> Project:
    """A copy of the finished study, results and Snakemake's records included, with the same times."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Project(tmp_path / "copy", finished.python)


def changed(path: str, value: object) -> dict:
    config = copy.deepcopy(SMALL)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return config


def test_a_finished_study_has_nothing_to_do(project):
    assert project.would_run() == {}


def test_changed_similarity_reruns_its_synthesis_and_what_hangs_on_it(project):
    project.configure(changed("facesets.synthetic.similarity", 0.25))
    jobs = project.would_run()
    assert set(jobs) == {"synthesize", "gather_shards"} | AFTER_A_FACESET | PLOTS_OF_ALL | PLOTS_OF_SYNTHETIC
    assert jobs["synthesize"] == 2 and jobs["gather_shards"] == 1  # its two shards; the other set stays
    assert jobs["train_recognizer"] == 2  # plain and with domain mixup
    assert jobs["find_duplicates"] == jobs["measure_diversity"] == 1
    assert jobs["audit_leakage"] == 2  # against the training set and against the inquiries' face set


def test_edited_heads_rerun_recognizers_and_verification_only(project):
    text = (project.folder / HEADS).read_text()
    (project.folder / HEADS).write_text(text + "\n\nEDITED = 1\n")
    jobs = project.would_run()
    verification = {"train_recognizer", "verify", "verify_epochs", "score_study", "plot_recognizer_curves", "plot_roc"}
    verification |= {"plot_epochs", "export_recognizer", "count_costs", "write_report"}
    assert set(jobs) == verification | {"plot_accuracy", "plot_accuracy_over_similarity"}
    assert jobs["train_recognizer"] == jobs["verify"] == 6 and jobs["verify_epochs"] == 5


def test_edited_comment_docstring_layout_and_times_rerun_nothing(project):
    text = (project.folder / HEADS).read_text()
    assert text.startswith('"""')
    (project.folder / HEADS).write_text(
        '"""Another sentence.\n\n' + text[3:].replace("\n\n\n", "\n\n\n# a comment\n\n\n")
    )
    for path in (project.folder / "workflow_scripts").rglob("*.py"):
        os.utime(path, (time.time() + 60,) * 2)
    assert project.would_run() == {}


def test_a_reworded_caption_writes_the_report_alone(project):
    project.edit("report/bins.rst", "most similar first", "those most similar first")
    assert project.would_run() == {"write_report": 1}


def test_changed_recognizer_reruns_itself_only(project):
    project.configure(changed("recognizers.mixed.margin", 0.1))
    jobs = project.would_run()
    assert jobs["train_recognizer"] == jobs["verify"] == 1
    assert not {"synthesize", "train_generator", "embed_faces"} & set(jobs)


def test_changed_generator_reruns_what_it_made(project):
    project.configure(changed("generators.tiny.lambda", 0.1))
    jobs = project.would_run()
    assert {"train_generator", "calibrate_similarity", "synthesize"} <= set(jobs)
    assert not {"render_faces", "select_inquiries", "import_embedder", "render_benchmark", "subset_faces"} & set(jobs)
    assert jobs["train_recognizer"] == 3


def test_swapped_values_rerun(project):
    """Snakemake compares parameters as a set of values; the settings are one value, so that names count."""
    config = changed("generators.tiny.m_min", 0.0)
    config["generators"]["tiny"]["m_max"] = 0.5
    project.configure(config)
    assert "train_generator" in project.would_run()


def test_reordered_and_respelled_configuration_reruns_nothing(project):
    config = copy.deepcopy(SMALL)
    config["generators"]["tiny"] = dict(reversed(config["generators"]["tiny"].items()))
    config["generators"]["tiny"]["lambda"] = 0.05  # its default, written out
    config["facesets"] = dict(reversed(config["facesets"].items()))
    project.configure(config)
    assert project.would_run() == {}


def test_who_watches_a_training_and_knobs_that_are_off_change_nothing(project):
    config = changed("study.tracker", "tensorboard")
    config["recognizers"]["tiny"]["accumulation"] = 1
    project.configure(config)
    assert project.would_run() == {}


def test_unused_entry_changes_nothing(project):
    project.configure(changed("facesets.casia", {"source": "recordio", "path": "/nowhere"}))
    assert project.would_run() == {}


def test_more_shards_rerun_that_synthesis_only_and_another_seed_only_trains(project):
    project.configure(changed("facesets.synthetic.shards", 3))
    jobs = project.would_run()
    assert jobs["synthesize"] == 3 and "select_inquiries" not in jobs
    project.configure(changed("study.seeds", [0, 1]))
    jobs = project.would_run()
    assert jobs["train_recognizer"] == jobs["verify"] == 6
    assert set(jobs) == {"train_recognizer", "verify", "verify_epochs"} | TABLE


def test_other_thresholds_verify_again_and_published_lines_only_make_the_table(project):
    project.configure(changed("study.thresholds", "exact"))
    jobs = project.would_run()
    assert not {"train_recognizer", "embed_faces", "synthesize"} & set(jobs) and jobs["verify"] == 6
    project.configure(changed("study.published", []))
    assert set(project.would_run()) == TABLE


def test_jobs_find_the_fingerprints_that_their_run_computed(tmp_path, warm):
    """Each job starts Snakemake again, while the run that computed them goes on."""
    project = of_three_people(tmp_path, warm, STUDY)
    script = tmp_path / "workflow_scripts/import_faces.py"
    copied = 'import shutil\n\nshutil.copy(".snakemake/semihard/fingerprints.json", "found.json")\n'
    script.write_text(script.read_text(encoding="utf-8") + copied, encoding="utf-8")
    project.snakemake("--cores", "1", FACES)
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["fingerprints"]
    assert any(key.split()[0] == "import_faces.py" for key in found), found

"""A small study from the first face to the report, on real pixels."""

import pickle
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from semihard.generator.pipeline import FacePipeline
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet
from semihard.workflow.figures import pictures
from semihard.workflow.study import Plan
from semihard.workflow.targets import EXPORTED_AS
from semihard.workflow.user_files import leave_out_absent_benchmarks
from tests.workflow.conftest import SMALL, Project, copy_project

SCHEMAS = {schema.kind: schema for schema in schemas.all_schemas()}
RESULTS = "results/small"


def test_every_figure_is_there_with_its_numbers(finished: Project):
    plan = Plan(SMALL)
    leave_out_absent_benchmarks(plan)
    figures = pictures(plan)
    assert len(figures) > 15
    for figure in figures:
        picture, table = finished.folder / figure, (finished.folder / figure).with_suffix(".csv")
        assert picture.stat().st_size > 1000, figure
        rows = len(pd.read_csv(table, comment="#"))
        if picture.stem == "attribute_curves":  # none of this study's sets in which m or φ varies has ten identities
            assert rows == 0 and "ten identities" in picture.read_text(), table
        else:
            assert rows > 0, table
        if picture.suffix == ".png":
            with Image.open(picture) as image:
                assert min(image.size) > 100


def test_synthetic_sets_say_how_each_image_came_to_be(finished: Project):
    plain = FaceSet(finished.folder / f"{RESULTS}/facesets/synthetic.h5")
    mixed = FaceSet(finished.folder / f"{RESULTS}/facesets/other.h5")
    real = FaceSet(finished.folder / f"{RESULTS}/facesets/real.h5")
    assert plain.counts().tolist() == mixed.counts().tolist() == [6 + 5] * 6  # and five copies of the inquiry image
    assert not set(plain.identity_names) & set(real.identity_names)
    assert (plain.column("partner") == -1).all() and (plain.column("phi") == 1).all()
    assert (mixed.column("partner") != mixed.identity).all()
    for faces, m in ((plain, 0), (mixed, 0.5)):
        copied = faces.column("index") >= 6
        assert (faces.column("m")[~copied] == m).all() and np.isnan(faces.column("m")[copied]).all()
    assert abs(plain.column("similarity")).max() <= 1


def test_table_compares_every_set_with_the_real_one(finished: Project):
    table = pd.read_csv(finished.folder / f"{RESULTS}/study/scores.csv", comment="#")
    own = table[table["published"].isna()]
    assert len(own) == 7  # real, synthetic, other, two bins, domain mixup, reference
    assert own[["held_out", "held_out_fold_sd", "AVG"]].notna().all().all()
    assert "ijbc" in own and "ijbc: true accept rate" in (finished.folder / f"{RESULTS}/study/scores.csv").read_text()
    assert (own["AVG"] == own["held_out"]).all() and own["best_epoch"].notna().sum() == 5
    assert "absent" not in table  # its file is not there: left out, as the run says
    assert len(table) == 12 and "CemiFace, NeurIPS 2024, Table 1" in set(table["published"])
    for name in ("scores.md", "scores.tex", "mcnemar.csv"):
        assert (finished.folder / f"{RESULTS}/study" / name).stat().st_size > 300


def test_the_last_epoch_is_the_result(finished: Project):
    """Of the epochs kept, the last is the model itself, and the table's AVG is its accuracy."""
    run = next(run for run in Plan(SMALL).runs() if run["epochs"])
    last = read_artifact(finished.folder / run["path"], schemas.VERIFICATION)["accuracy"]
    epochs = read_artifact(finished.folder / run["epochs"], schemas.EPOCHS)
    assert epochs["epoch"].tolist() == [1, 2] and np.array_equal(epochs["accuracy"][-1], last)


def test_an_absent_benchmark_is_left_out_with_one_line(finished: Project):
    out = finished.snakemake("-n")
    assert out.count("left out: benchmarks.absent.path: nowhere/lfw.bin not found") == 1


def test_artifacts_match_their_schemas_and_carry_provenance(finished: Project):
    seen = set()
    for path in (finished.folder / RESULTS).rglob("*.h5"):
        with h5py.File(path) as h5:
            kind = h5.attrs["kind"]
            assert h5.attrs["rule"] and h5.attrs["code"] and h5.attrs["versions"], path
        seen.add(kind)
        if kind not in ("faceset", "scores"):
            assert {name for name in SCHEMAS[kind].datasets if "*" not in name} <= set(
                read_artifact(path, SCHEMAS[kind])
            ), path
    assert set(SCHEMAS) - {"fairness"} <= seen  # which is test_fairness's


def test_no_checkpoint_and_no_temporary_file_is_left(finished: Project):
    assert not [
        path for path in finished.folder.rglob("*") if path.name.endswith((".resume", ".lock", ".tmp", ".spool"))
    ]


def test_report_collects_the_figures(finished: Project):
    finished.snakemake("--report", "report.zip")
    assert (finished.folder / "report.zip").stat().st_size > 100_000


def test_an_export_states_what_the_audit_found(finished: Project):
    exports = [f"{RESULTS}/export/synthetic/{form}" for form in EXPORTED_AS]
    finished.snakemake("--cores", "2", *exports)
    for export in exports:
        card = (finished.folder / export / "README.md").read_text()
        assert (
            "| images | 66 |" in card
            and "| leakage, against real | matching |" in card
            and "| `inquiries` | strangers |" in card
        )


def test_a_benchmark_is_exported_pair_by_pair(finished: Project):
    path = finished.folder / RESULTS / "export/benchmarks/held_out.bin"
    finished.snakemake("--cores", "1", "--", f"{RESULTS}/export/benchmarks/held_out.bin")
    images, same = pickle.loads(path.read_bytes())  # as insightface's load_bin does
    faces = FaceSet(finished.folder / f"{RESULTS}/benchmarks/held_out/faces.h5")
    pairs = read_artifact(finished.folder / f"{RESULTS}/benchmarks/held_out/pairs.h5", schemas.BENCHMARK)
    order = np.argsort(pairs["fold"], kind="stable")
    assert same == pairs["same"][order].tolist() and len(images) == 120
    assert images[0::2] == [faces.encoded(i) for i in pairs["first"][order]]
    assert images[1::2] == [faces.encoded(i) for i in pairs["second"][order]]
    out = finished.snakemake("--cores", "1", "--", f"{RESULTS}/export/benchmarks/ijbc.bin", check=False)
    assert "export_benchmark: " in out and "template_pairs" in out and "Traceback" not in out


def test_an_export_is_part_of_a_study(finished: Project, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    project = Project(tmp_path / "copy", finished.python)
    exports = [{"faceset": "real", "forms": ["folder", "parquet"]}]
    project.configure(SMALL | {"study": SMALL["study"] | {"exports": exports}})
    assert project.would_run() == {"export_faces": 2, "count_costs": 1, "write_report": 1}


def test_a_generator_is_given_away_with_its_card(finished: Project):
    """What its pipeline draws, at an inquiry's embedding, is what the study drew."""
    folder = finished.folder / RESULTS / "pipelines/tiny"
    card = (folder / "README.md").read_text()
    assert (
        "license: cc0-1.0" in card
        and "| licence of these weights | CC0-1.0 |" in card
        and "| `trained_on` | real |" in card
    )
    calibration = read_artifact(finished.folder / f"{RESULTS}/generators/tiny/calibration.h5", schemas.CALIBRATION)
    assert all(f"| {m:.2f} | " in card for m in calibration["m"])
    pipeline = FacePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    inquiries = read_artifact(finished.folder / f"{RESULTS}/inquiries/synthetic.h5", schemas.INQUIRIES)["embedding"]
    drawn = pipeline(inquiries, m=0.0, per_inquiry=6, steps=2, batch=16, output_type="np")
    faces = FaceSet(finished.folder / f"{RESULTS}/facesets/synthetic.h5")
    similarity = faces.column("similarity")[faces.column("index") < 6]
    np.testing.assert_allclose(drawn.similarity, similarity, atol=0.02)


def test_a_recognizer_is_given_away_with_its_card(finished: Project):
    folder = finished.folder / RESULTS / "models/tiny/synthetic/seed0"
    names = {path.name for path in folder.iterdir()} - {".snakemake_timestamp"}
    assert names == {"README.md", "SHA256SUMS", "model.onnx", "model.safetensors"}
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "# tiny trained on synthetic\n" in card and "| licence of these weights | CC0-1.0 |" in card
    verified = finished.folder / RESULTS / "verification/recognizers/tiny/synthetic/seed0/held_out.h5"
    accuracy = read_artifact(verified, schemas.VERIFICATION)["accuracy"]
    assert f"| held_out | {100 * accuracy.mean():.2f} | {100 * accuracy.std():.2f} |" in card


def test_bad_input_is_one_sentence_and_status_1(finished: Project, tmp_path):
    for folder in ("empty", "p"):
        (tmp_path / folder).mkdir()
    config = SMALL | {"facesets": SMALL["facesets"] | {"photos": {"source": "folder", "path": str(tmp_path / "empty")}}}
    config |= {"study": SMALL["study"] | {"show": ["photos"]}, "results": "results/bad"}
    project = copy_project(tmp_path / "p")
    project.configure(config)
    (project.folder / "weights.pt").symlink_to(finished.folder / "weights.pt")
    out = project.snakemake("--cores", "1", "results/bad/facesets/photos.h5", check=False)
    assert f"import_faces: {tmp_path / 'empty'} holds no identity folders" in out
    assert "Traceback" not in out
    assert not list((project.folder / "results/bad").rglob("*.h5"))


def test_lint_and_every_shipped_configuration(finished: Project, monkeypatch):
    assert "Congratulations" in finished.snakemake("--lint")


def test_a_stage_runs_by_one_python_call(tmp_path):
    """Without Snakemake, on a machine that has only the library."""
    program = (
        "import sys; sys.modules['snakemake'] = None\n"
        "from semihard.storage.provenance import Provenance\n"
        "from semihard.sources.settings import RenderedFaces\n"
        "from semihard.sources.rendering import render_faces\n"
        f"render_faces(RenderedFaces(source='rendered', identities=2, per_identity=2), {str(tmp_path / 'f.h5')!r}, Provenance())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=copy_project(tmp_path).folder / "workflow_scripts", check=True)
    assert len(FaceSet(tmp_path / "f.h5")) == 4

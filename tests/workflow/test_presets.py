"""Every shipped study: its plan holds together where its data are, and its miniature has the same shape."""

import pytest
import yaml

from semihard.workflow.configuration import read_yaml
from semihard.workflow.study import Plan
from tests.workflow.conftest import ROOT, Project, copy_project

STUDIES = sorted((ROOT / "configs").glob("*.yaml"))
MINIATURES = sorted((ROOT / "configs" / "miniature").glob("*.yaml"))


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm) -> Project:
    """A copy of the project, with an empty file or folder at every place a study looks for data."""
    project = copy_project(tmp_path_factory.mktemp("presets"), warm)
    data = project.folder / "data"
    for name in (
        "faces_webface_112x112/train.rec",
        "faces_vgg_112x112/train.rec",
        "flickr_112x112/train.rec",
        "dcface_0.5m_oversample_xid/record/file.rec",
    ):
        (data / name).parent.mkdir(parents=True)
        (data / name).touch()
    for name in ("lfw", "cfp_fp", "agedb_30", "calfw", "cplfw"):
        (data / "faces_webface_112x112" / f"{name}.bin").touch()
    for name in ("inquiries_112x112", "digiface_72x10k", "idiff_face_synthetic_uniform_cpd25"):
        (data / name / "person").mkdir(parents=True)
    for name in ("generator", "embedder"):
        (data / "pipeline" / name).mkdir(parents=True)
        for file in ("config.json", "diffusion_pytorch_model.safetensors"):
            (data / "pipeline" / name / file).touch()
    for name in ("hsface10k.lmdb", "vface10k.lmdb", "backbone.pth"):
        (data / name).touch()
    for name in ("faces_lfw_train_112x112/train.rec", "faces_fairface_112x112/train.rec",
                 "faces_fairface_more_112x112/train.rec", "benchmarks/lfw.bin",
                 "benchmarks/lfw_folds12.bin", "weights/xiaoccer_casia_mobilefacenet128_sd.pt",
                 "weights/xface_mobilefacenet512_sd.pt",
                 "faces_fairface_112x112/labels.csv", "faces_fairface_more_112x112/labels.csv"):  # fmt: skip
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    for name in ("my_faces/person", "lfw_originals/person"):
        (data / name).mkdir(parents=True)
    return project


@pytest.mark.parametrize("path", [*STUDIES, *MINIATURES], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_dry_runs(project: Project, path, monkeypatch):
    monkeypatch.setenv("SEMIHARD_FACES", str(project.folder / "data"))
    monkeypatch.setenv("HOME", str(project.folder / "data"))
    jobs = project.would_run("--configfile", str(path.relative_to(ROOT)))
    plan = Plan(read_yaml(path))
    assert jobs.get("score_study", 0) == bool(plan.runs()) and jobs.get("describe_face_set", 0) == len(
        plan.audited_facesets()
    )
    assert jobs.get("train_recognizer", 0) >= len(plan.study.seeds) * len(plan.comparisons())
    assert jobs.get("verify_epochs", 0) == sum(1 for run in plan.runs() if run["epochs"])


@pytest.mark.parametrize("path", MINIATURES, ids=lambda path: path.stem)
def test_a_miniature_has_the_parts_of_its_study(path):
    """Same method, smaller: the sources of its face sets and its generators are the study's."""
    small, full = (Plan(yaml.safe_load(text.read_text())) for text in (path, ROOT / "configs" / path.name))

    def sources(plan: Plan) -> set[str]:
        return {
            plan.config.facesets[row.faceset].source for row in plan.comparisons() if row.faceset != plan.study.real
        }

    assert sources(small) == sources(full)
    methods = [{plan.config.generators[name].method for name in plan.generators()} for plan in (small, full)]
    assert methods[0] <= methods[1]
    assert set(small.study.published) <= set(full.study.published)  # of what it has lines of its own for
    mixed = [
        any(plan.config.recognizers[row.recognizer].domain_mixup for row in plan.comparisons())
        for plan in (small, full)
    ]
    assert mixed[0] == mixed[1]
    assert len(small.similarity_series()) == len(full.similarity_series())

"""The three generators and what their faces are asked to be, as a user configures them."""

import numpy as np
import pytest

from semihard.storage.faceset import FaceSet
from tests.workflow.conftest import SMALL, Project, copy_project

SHORT = {"trained_on": "real", "network": "tiny", "image_size": 16, "batch": 16, "epochs": 1, "precision": "fp32"}
DRAWN = {"source": "synthesis", "inquiries": "nobody", "identities": 6, "per_identity": 4, "batch": 16, "steps": 3}
DRAWN |= {"inquiry_threshold": 1.0, "quality_quantile": 0, "precision": "fp32"}
STUDY = SMALL | {
    "results": "results/generators",
    "facesets": {
        "real": {"source": "rendered", "identities": 8, "per_identity": 4, "image_size": 16},
        "nobody": {"source": "unconditional", "generator": "ddpm", "images": 40, "batch": 16, "steps": 3, "shards": 2},
        "cemi": DRAWN | {"generator": "cemiface", "sampler": "dpmsolver++", "inquiry_copies": 2},
        "turned": DRAWN
        | {"generator": "cemiface", "angular_perturbation": 0.8, "negative_identity": {}, "inquiry_copies": 0},
        "centered": DRAWN | {"generator": "cemiface", "inquiries": "real", "center": "mean"},
        "dcface": DRAWN | {"generator": "dcface"},
    },
    "generators": {
        "ddpm": SHORT | {"method": "ddpm", "epochs": 40},  # its faces must differ to be inquiries
        "cemiface": SHORT | {"embedder": "guide", "processes": 2},
        "dcface": SHORT | {"method": "dcface", "embedder": "guide"},
    },
    "embedders": {"guide": {"source": "recognizer", "recognizer": "plain", "trained_on": "real"}},
    "attribute_classifiers": {},
    "recognizers": {"plain": {"backbone": "tiny", "embedding_dim": 16, "image_size": 16, "batch": 16, "epochs": 2}},
    "study": {
        "real": "real",
        "compare": ["cemi", "turned", "centered", "dcface"],
        "recognizer": "plain",
        "benchmarks": ["held_out"],
        "embedder": "guide",
    },
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, warm) -> Project:
    """The four face sets and the calibration, drawn."""
    project = copy_project(tmp_path_factory.mktemp("generators"), warm)
    project.configure(STUDY)
    wanted = [f"facesets/{name}.h5" for name in STUDY["study"]["compare"]] + ["generators/cemiface/calibration.h5"]
    project.snakemake("--cores", "2", "--", *(f"results/generators/{path}" for path in wanted))
    return project


def faces(project: Project, name: str) -> FaceSet:
    return FaceSet(project.folder / f"results/generators/facesets/{name}.h5")


def test_inquiries_can_be_faces_of_nobody(drawn):
    nobody = faces(drawn, "nobody")
    assert len(nobody) == 40 and set(nobody.identity) == {-1}


def test_every_class_holds_its_images_and_copies_of_its_inquiry(drawn):
    for name, copies in (("cemi", 2), ("turned", 0), ("centered", 5), ("dcface", 5)):
        found = faces(drawn, name)
        assert np.bincount(found.identity).tolist() == [4 + copies] * 6
    cemi = faces(drawn, "cemi")
    copied = cemi.column("index") >= 4
    assert copied.sum() == 12 and np.isnan(cemi.column("m")[copied]).all()
    first, second = (cemi.images(np.flatnonzero(copied & (cemi.identity == 3)))[k] for k in (0, 1))
    assert np.array_equal(first, second)


def test_inquiry_copies_are_gathered_anew_without_a_new_synthesis(drawn):
    study = STUDY | {"facesets": STUDY["facesets"] | {"cemi": STUDY["facesets"]["cemi"] | {"inquiry_copies": 1}}}
    drawn.configure(study)
    jobs = drawn.would_run("results/generators/facesets/cemi.h5")
    drawn.configure(STUDY)
    assert jobs == {"gather_shards": 1}


def test_nothing_is_given_away_without_a_licence(drawn):
    out = drawn.snakemake("-n", "--", "results/generators/pipelines/cemiface", check=False)
    assert "study.pipelines: 'cemiface': under which licence is it given away; write one line" in out, out[-2000:]


@pytest.mark.parametrize(
    ("faceset", "change", "message"),
    [
        ("cemi", {"generator": "ddpm"}, "facesets.cemi.generator: 'ddpm' is of method ddpm, which takes no inquiries"),
        ("nobody", {"generator": "dcface"}, "source: unconditional needs one of method: ddpm"),
        ("dcface", {"identity_mixup": True}, "which is conditioned on images; leave out identity_mixup"),
        ("cemi", {"styles": "real"}, "facesets.cemi.styles: only a generator of method dcface takes styles"),
        ("cemi", {"identities": 1, "identity_mixup": True}, "identity_mixup needs another identity"),
        ("cemi", {"steps": 2000}, "facesets.cemi.steps: 2000, but 'cemiface' has 1000 timesteps"),
        ("cemi", {"center": "mean"}, "the images of 'nobody' have no identities, and center takes those of identities"),
        ("cemi", {"angular_perturbation": False}, "is a cosine; leave it out for no perturbation; found False"),
        ("dcface", {"angular_perturbation": 0.0}, "leave out angular_perturbation"),
        ("cemi", {"similarity": 1.5}, "facesets.cemi.similarity: Input should be less than or equal to 1; found 1.5"),
        ("cemi", {"negative_identity": {"weigth": 1}}, "negative_identity.weigth: no such key; did you mean 'weight'?"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_runs(drawn, faceset, change, message):
    drawn.configure(STUDY | {"facesets": STUDY["facesets"] | {faceset: STUDY["facesets"][faceset] | change}})
    out = drawn.snakemake("-n", check=False)
    drawn.configure(STUDY)
    assert message in out, out[-2000:]

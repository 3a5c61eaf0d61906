"""IJB's templates: a miniature benchmark of rendered faces in loose crops, read, imported and verified."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.similarity.embedders import load_embedder
from semihard.sources.ijb import read_ijb
from semihard.sources.importing import import_benchmark
from semihard.sources.rendered.stream import rendered_faces
from semihard.sources.settings import IJBBenchmark
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification import ijb_templates as templates
from semihard.verification.ijb_templates import pair_cosines, template_features
from semihard.verification.model import verify_faces
from tests.unit.ijb_folder import IDENTITIES, MEDIA, PAIRS, PER_IDENTITY, SCORE, TEMPLATE, N, write_ijb, write_list

LISTS = ("face_tid_mid", "name_5pts_score", "template_pair_label")


def read_list(folder: Path, what: str) -> list[str]:
    return (folder / "meta" / f"ijbc_{what}.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def aligned() -> np.ndarray:
    return np.concatenate([batch.images for batch in rendered_faces(IDENTITIES, PER_IDENTITY, 0)])


@pytest.fixture
def ijb(tmp_path, aligned) -> Path:
    return write_ijb(tmp_path / "IJBC", aligned)


def test_reads_lists_and_aligns_every_crop(ijb, aligned):
    benchmark = read_ijb(ijb, "ijbc")
    assert benchmark.template.tolist() == TEMPLATE.tolist() and benchmark.media.tolist() == MEDIA.tolist()
    assert benchmark.score == pytest.approx(SCORE, abs=1e-6) and benchmark.score.dtype == np.float32
    assert [*zip(benchmark.first, benchmark.second, benchmark.same, strict=True)] == PAIRS
    assert (benchmark.first.dtype, benchmark.same.dtype) == (np.int64, bool)
    faces = list(benchmark.faces)
    assert [face.key for face in faces] == [f"{i + 1}.jpg" for i in range(N)]
    assert {face.identity for face in faces} == {""}
    found = np.stack([face.image for face in faces]).astype(int)
    inner = np.s_[:, 8:-8, 8:-8]
    # Warped twice and JPEG once: the same faces, while neighbours differ by more.
    assert np.abs(found - aligned)[inner].mean((1, 2, 3)).max() < 4
    assert np.abs(found - np.roll(aligned, 2, 2))[inner].mean() > 2 * np.abs(found - aligned)[inner].mean()


def naive_scores(features: np.ndarray) -> list[float]:
    """The protocol as written: mean of every medium, sum of a template's means, unit length, product."""
    unit = {}
    for template in set(TEMPLATE):
        means = []
        for medium in set(MEDIA[template == TEMPLATE]):
            of_medium = (template == TEMPLATE) & (medium == MEDIA)
            means.append(np.mean([features[i] * SCORE[i] for i in np.flatnonzero(of_medium)], axis=0))
        unit[template] = np.sum(means, axis=0) / np.linalg.norm(np.sum(means, axis=0))
    return [float(unit[a] @ unit[b]) for a, b, _ in PAIRS]


@pytest.fixture
def model(tmp_path) -> Path:
    torch.manual_seed(1)
    backbone = build_backbone("tiny", (32, 32), 16)
    backbone(torch.randn(8, 3, 32, 32))
    save_model(tmp_path / "model", backbone.eval(), EmbedderSpec("tiny", (32, 32), 16))
    return tmp_path / "model"


@pytest.fixture
def imported(tmp_path, ijb) -> tuple[Path, Path]:
    settings = IJBBenchmark(source="ijb", path=str(ijb), name="ijbc", licence="theirs")
    import_benchmark(settings, tmp_path / "faces.h5", tmp_path / "pairs.h5", Provenance("import_benchmark"))
    return tmp_path / "faces.h5", tmp_path / "pairs.h5"


def test_imported_and_verified_it_gives_the_protocols_cosines(tmp_path, imported, model, monkeypatch):
    faces, pairs = FaceSet(imported[0]), read_artifact(imported[1], schemas.TEMPLATE_PAIRS)
    assert faces.image_size == (112, 112) and (faces.identity == -1).all()
    assert faces.attrs["alignment"] == "arcface" and faces.attrs["licence"] == "theirs"
    assert faces.column("template").tolist() == TEMPLATE.tolist() and faces.column("media").tolist() == MEDIA.tolist()
    assert faces.column("source_key").tolist() == [f"{i + 1}.jpg" for i in range(N)]
    assert [*zip(pairs["first"], pairs["second"], pairs["same"], strict=True)] == PAIRS
    monkeypatch.setattr(templates, "PAIRS_AT_ONCE", 4)
    monkeypatch.setattr(FaceSet, "blocks", lambda self: (slice(i, min(i + 7, N)) for i in range(0, N, 7)))
    verify_faces(*imported, model, tmp_path / "v.h5", Provenance("verify"))
    result, attrs = (
        read_artifact(tmp_path / "v.h5", schemas.TEMPLATE_VERIFICATION),
        read_attributes(tmp_path / "v.h5", schemas.TEMPLATE_VERIFICATION),
    )
    features = load_embedder(model).embed(torch.from_numpy(faces.images(slice(None))).permute(0, 3, 1, 2)).numpy()
    expected = np.array(naive_scores(features.astype(float)))
    assert result["cosine"] == pytest.approx(expected, abs=5e-4)
    assert result["cosine"].dtype == np.float32 and result["same"].tolist() == pairs["same"].tolist()
    assert result["false_accept_rate"] == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert np.isnan(result["true_accept_rate"]).all()  # 8 impostor pairs resolve no rate of a tenth
    assert attrs["templates"] == 6 and attrs["flip"] and attrs["rule"] == "verify"


def test_true_accept_rates_of_many_pairs(tmp_path, imported, model):
    random = np.random.default_rng(0)
    first, second = random.choice(TEMPLATE, (2, 2000))
    same = random.random(2000) < 0.5
    write_artifact(tmp_path / "p.h5", schemas.TEMPLATE_PAIRS, {"first": first, "second": second, "same": same})
    verify_faces(imported[0], tmp_path / "p.h5", model, tmp_path / "v.h5")
    result = read_artifact(tmp_path / "v.h5", schemas.TEMPLATE_VERIFICATION)
    genuine, impostor = result["cosine"][same], result["cosine"][~same]
    for far, tar in zip(result["false_accept_rate"], result["true_accept_rate"], strict=True):
        possible = [np.mean(genuine >= t) for t in [*np.unique(result["cosine"]), 2] if np.mean(impostor >= t) <= far]
        assert tar == max(possible) if far * len(impostor) >= 1 else np.isnan(tar)
    attrs = read_attributes(tmp_path / "v.h5", schemas.TEMPLATE_VERIFICATION)
    assert attrs["tar_at_far_0.1"] == result["true_accept_rate"][-1] and np.isnan(attrs["tar_at_far_1e-06"])
    assert attrs["tar_at_far_0.01"] == result["true_accept_rate"][-2]


def test_a_template_without_images_is_named(tmp_path, imported, model):
    for wanted in (8, 41):
        pairs = {"first": [40, 7], "second": [12, wanted], "same": [False, True]}
        write_artifact(tmp_path / "p.h5", schemas.TEMPLATE_PAIRS, pairs)
        with pytest.raises(InputError, match=rf"p\.h5: template {wanted} has no image in the face set"):
            verify_faces(imported[0], tmp_path / "p.h5", model, tmp_path / "v.h5")
    assert not (tmp_path / "v.h5").exists()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 9))
def test_template_features_are_sums_of_means_of_media(seed, n, rows):
    random = np.random.default_rng(seed)
    template, media = random.integers(0, 5, n) * 1000, random.integers(-2, 2, n)
    features, score = random.standard_normal((n, 4)), random.uniform(0.1, 1, n).astype(np.float32)
    blocks = ((slice(i, i + rows), torch.from_numpy(features[i : i + rows])) for i in range(0, n, rows))
    unit, names = template_features(blocks, template, media, score)
    assert names.tolist() == sorted(set(template.tolist()))
    for row, name in zip(unit.numpy(), names, strict=True):
        media_of = set(media[template == name].tolist())
        total = sum((features * score[:, None])[(template == name) & (media == m)].mean(0) for m in media_of)
        assert row == pytest.approx(total / np.linalg.norm(total), abs=1e-9)


def test_cosines_of_pairs_do_not_depend_on_blocks(monkeypatch):
    unit = torch.nn.functional.normalize(torch.randn(9, 5, generator=torch.Generator().manual_seed(0)))
    first, second = np.random.default_rng(0).integers(0, 9, (2, 50))
    expected = (unit[first] * unit[second]).sum(1).numpy()
    for at_once in (1, 7, 50, 64):
        monkeypatch.setattr(templates, "PAIRS_AT_ONCE", at_once)
        assert pair_cosines(unit, first, second) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("what", LISTS)
def test_a_missing_or_empty_list_is_named(ijb, what):
    path = ijb / "meta" / f"ijbc_{what}.txt"
    for content in ("", "\n\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=rf"ijbc_{what}\.txt is empty: expected lines of"):
            read_ijb(ijb, "ijbc")
    path.unlink()
    with pytest.raises(InputError, match=rf"ijbc_{what}\.txt does not exist"):
        read_ijb(ijb, "ijbc")
    with pytest.raises(InputError, match=r"ijbb_face_tid_mid\.txt does not exist"):
        read_ijb(ijb, "ijbb")
    with pytest.raises(InputError, match=r"meta/loose_crop is no folder: give the folder that holds .* of IJBC"):
        read_ijb(ijb / "meta", "ijbc")


POINTS = "1 2 3 4 5 6 7 8 9 10"


@pytest.mark.parametrize(
    ("what", "wrong", "message"),
    [
        ("face_tid_mid", "3.jpg 40", r"line 3 is not an image, its template and its medium"),
        ("face_tid_mid", "3.jpg 40 5 6", r"line 3 is not an image"),
        ("face_tid_mid", "3.jpg 40.5 5", r"line 3 is not an image"),
        ("name_5pts_score", f"3.jpg {POINTS}", r"line 3 is not an image, ten coordinates and a detector score"),
        ("name_5pts_score", f"3.jpg {POINTS} high", r"line 3 is not an image"),
        ("name_5pts_score", f"3.jpg {POINTS} nan", r"the score of image 3\.jpg is no number"),
        (
            "name_5pts_score",
            f"4.jpg {POINTS} 0.9",
            r"line 3 is of image 4\.jpg, that of ijbc_face_tid_mid\.txt of 3\.jpg",
        ),
        ("template_pair_label", "12 3", r"line 3 is not two templates and 1 or 0"),
        ("template_pair_label", "12 3 yes", r"line 3 is not two templates and 1 or 0"),
        ("template_pair_label", "12 3 2", r"line 3 ends in 2, expected 1 for a genuine pair or 0"),
        ("template_pair_label", "12 99 0", r"line 3 names template 99, which has no image"),
        ("template_pair_label", "-1 12 0", r"line 3 names template -1, which has no image"),
    ],
)
def test_a_wrong_line_is_named(ijb, what, wrong, message):
    lines = read_list(ijb, what)
    lines[2] = wrong
    write_list(ijb, what, lines)
    with pytest.raises(InputError, match=rf"ijbc_{what}\.txt: {message}"):
        read_ijb(ijb, "ijbc")


def test_blank_lines_count(ijb):
    lines = read_list(ijb, "template_pair_label")
    write_list(ijb, "template_pair_label", ["", *lines[:2], "", "1 2", *lines[3:]])
    with pytest.raises(InputError, match="line 5 is not two templates"):
        read_ijb(ijb, "ijbc")


def test_lists_of_different_length_are_refused(ijb):
    write_list(ijb, "name_5pts_score", read_list(ijb, "name_5pts_score")[:-1])
    with pytest.raises(InputError, match=r"name_5pts_score\.txt has 23 lines and ijbc_face_tid_mid\.txt has 24"):
        read_ijb(ijb, "ijbc")


def test_missing_images_are_counted_and_named(ijb):
    (ijb / "loose_crop" / "5.jpg").unlink()
    with pytest.raises(
        InputError, match=r"loose_crop lacks 1 of the 24 images in ijbc_face_tid_mid\.txt: 5\.jpg; leaving"
    ):
        read_ijb(ijb, "ijbc")
    for i in range(10, 20):
        (ijb / "loose_crop" / f"{i}.jpg").unlink()
    with pytest.raises(InputError, match=r"lacks 11 of the 24 .*: 5\.jpg, 10\.jpg, 11\.jpg, 12\.jpg, 13\.jpg, \.\.\.;"):
        read_ijb(ijb, "ijbc")


def test_unreadable_images_and_points_without_extent_are_named(ijb, tmp_path):
    settings = IJBBenchmark(source="ijb", path=str(ijb), name="ijbc")
    kept = (ijb / "loose_crop" / "4.jpg").read_bytes()
    (ijb / "loose_crop" / "4.jpg").write_bytes(kept[:200])
    with pytest.raises(InputError, match=r"loose_crop/4\.jpg is no readable image"):
        import_benchmark(settings, tmp_path / "f.h5", tmp_path / "p.h5", Provenance())
    (ijb / "loose_crop" / "4.jpg").write_bytes(kept)
    lines = read_list(ijb, "name_5pts_score")
    lines[6] = "7.jpg " + "50 60 " * 5 + "0.9"
    write_list(ijb, "name_5pts_score", lines)
    with pytest.raises(InputError, match=r"name_5pts_score\.txt: line 7, 7\.jpg: no similarity transform"):
        import_benchmark(settings, tmp_path / "f.h5", tmp_path / "p.h5", Provenance())
    assert not (tmp_path / "f.h5").exists() and not (tmp_path / "p.h5").exists()

"""Leakage and duplicates: nearest images against loops, calibrated chances, planted copies found and no others."""

import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semihard.audit import nearest
from semihard.audit.duplicates import find_duplicates
from semihard.audit.leakage import audit_leakage
from semihard.audit.match_rates import area_under_curve, chance_beyond, share_of_each_identity, share_with_interval
from semihard.audit.nearest import find_nearest, find_nearest_of_identity
from semihard.audit.photographs import SAME_PHOTOGRAPH, photograph_correlation
from semihard.audit.settings import LeakageAudit
from semihard.errors import InputError, UnmeasurableError
from semihard.figures.leakage import plot_leakage
from semihard.figures.leakage_sheet import plot_nearest_sheet
from semihard.similarity.embedding import embed_faces
from semihard.similarity.import_embedder import import_embedder
from semihard.similarity.settings import WeightsEmbedder
from semihard.sources.importing import import_faces
from semihard.sources.settings import RecordIOFaces
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured, read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance

OFTEN = LeakageAudit(false_match_rate=0.01)


def face_set(path: Path, identity: list[str], images: np.ndarray | None = None) -> Path:
    """Raw images of one grey, so that none is a copy of another, where none are given."""
    images = np.zeros((len(identity), 4, 4, 3), np.uint8) if images is None else images
    with FaceSetWriter(path, images.shape[1:3], "raw") as writer:
        writer.add(images, identity)
    return path


def embeddings(path: Path, values: np.ndarray) -> Path:
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": values.astype(np.float32)})
    return path


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def people(identities: int, images: int, dim: int, seed: int) -> np.ndarray:
    """Embeddings of `identities` people in order, norm about 3."""
    rng = np.random.default_rng(seed)
    center = np.repeat(unit(rng.normal(size=(identities, dim))), images, 0)
    return 3 * (center + 0.6 * rng.normal(size=center.shape) / np.sqrt(dim))


def pictures(count: int, seed: int) -> np.ndarray:
    """Smooth random pictures, uint8 `[count, 32, 32, 3]`, no two alike."""
    coarse = torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (count, 3, 6, 6)))
    fine = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic", align_corners=False)
    return fine.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def quantities(path: Path, schema: schemas.Schema) -> dict[str, float]:
    found = read_artifact(path, schema)
    return dict(zip(found["name"], found["value"], strict=True))


# ── nearest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("queries", "references"), [(2048, 16384), (3, 5)])
@pytest.mark.parametrize("in_order", [False, True])
def test_nearest_image_is_that_of_a_loop(monkeypatch, queries, references, in_order):
    monkeypatch.setattr(nearest, "QUERIES", queries)
    monkeypatch.setattr(nearest, "GALLERY", references)
    rng = np.random.default_rng(0)
    q, r = unit(rng.normal(size=(17, 6))).astype(np.float32), unit(rng.normal(size=(23, 6))).astype(np.float32)
    of_q, of_r = rng.integers(0, 4, 17), rng.integers(0, 4, 23)
    if in_order:  # so that most blocks need no mask
        of_q, of_r = np.sort(of_q), np.sort(of_r)
    index, cosine = find_nearest(torch.from_numpy(q), torch.from_numpy(r))
    others, others_cosine = find_nearest(torch.from_numpy(q), torch.from_numpy(r), of_q, of_r)
    for i in range(17):
        best = max(range(23), key=lambda j: float(q[i] @ r[j]))
        assert index[i] == best and cosine[i] == pytest.approx(float(q[i] @ r[best]), abs=1e-6)
        best = max((j for j in range(23) if of_r[j] != of_q[i]), key=lambda j: float(q[i] @ r[j]))
        assert others[i] == best and others_cosine[i] == pytest.approx(float(q[i] @ r[best]), abs=1e-6)


@pytest.mark.parametrize(("queries", "references"), [(2048, 16384), (3, 5), (4, 2)])
def test_nearest_of_the_same_identity_is_that_of_a_loop(monkeypatch, queries, references):
    monkeypatch.setattr(nearest, "QUERIES", queries)
    monkeypatch.setattr(nearest, "GALLERY", references)
    rng = np.random.default_rng(1)
    u, of = unit(rng.normal(size=(40, 6))).astype(np.float32), rng.integers(0, 12, 40)
    of[7] = 99  # alone
    index, cosine = find_nearest_of_identity(torch.from_numpy(u), of)
    assert index[7] == -1 and cosine[7] == -np.inf
    for i in range(40):
        mates = [j for j in range(40) if j != i and of[j] == of[i]]
        assert index[i] == (max(mates, key=lambda j: float(u[i] @ u[j])) if mates else -1)


# ── rates and chances ────────────────────────────────────────────────────────────────────────────────────────────────


def test_share_and_interval_are_those_of_resampled_identities():
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    matching = rng.random(len(identity)) < rng.uniform(0, 0.6, 60)[identity]
    share, (low, high) = share_with_interval(matching, identity)
    assert share == matching.mean()
    rows = [np.flatnonzero(identity == k) for k in range(60)]
    naive = [
        matching[np.concatenate([rows[k] for k in np.random.default_rng(seed).integers(0, 60, 60)])].mean()
        for seed in range(2000)
    ]
    assert (low, high) == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.012)
    by_identity = share_of_each_identity(matching, identity)
    assert by_identity == pytest.approx([matching[identity == k].mean() for k in range(60)])
    assert all(math.isnan(bound) for bound in share_with_interval(matching[:2], np.zeros(2))[1])


def test_area_under_the_curve_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 8, 50) / 8, rng.integers(0, 6, 40) / 8
    pairs = [(x > y) + (x == y) / 2 for x, y in itertools.product(a, b)]
    assert area_under_curve(a, b) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(("images", "null"), [(3, 3), (4, 2), (2, 5)])
def test_chance_beyond_the_null_is_that_of_all_orders(images, null):
    orders = list(itertools.combinations(range(images + null), images))  # ranks of the images
    for beyond in range(images + 1):
        naive = np.mean([sum(rank > max(set(range(images + null)) - set(o)) for rank in o) >= beyond for o in orders])
        assert chance_beyond(beyond, images, null) == pytest.approx(naive)


def test_unrelated_sets_seldom_alarm():
    """100 draws of 150 images and 200 of the null, against one gallery: at 5 %, 5 alarms are expected at most, and more than 11 in
    0.4 % of all seeds (binomial)."""
    rng = np.random.default_rng(0)
    gallery = torch.from_numpy(unit(rng.normal(size=(500, 16)))).float()
    alarms = 0
    for _ in range(100):
        drawn = torch.from_numpy(unit(rng.normal(size=(350, 16)))).float()
        cosine = find_nearest(drawn, gallery)[1]
        beyond = int((cosine[:150] > cosine[150:].max()).sum())
        alarms += chance_beyond(beyond, 150, 200) <= 0.05
    assert alarms <= 11
    assert chance_beyond(12, 150, 200) < 1e-4  # and what is no chance is seen


# ── the audit, on vectors ────────────────────────────────────────────────────────────────────────────────────────────


def test_leakage_finds_the_copies_and_no_one_else(tmp_path):
    known, new = people(30, 4, 64, seed=0), people(10, 2, 64, seed=1)
    copies = known[[5, 50, 119]] + 0.01
    of_reference, of_new = pictures(120, 0), pictures(20, 1)
    mixed = np.concatenate([of_reference[[5, 50, 119]], of_new])
    mixed[1] = mixed[1, :, ::-1]
    mixed[2] = np.roll(mixed[2], 1, 1)
    paths = (
        face_set(tmp_path / "s.h5", [f"s{i // 2}" for i in range(23)], mixed),
        embeddings(tmp_path / "se.h5", np.concatenate([copies, new])),
        face_set(tmp_path / "r.h5", [f"p{i // 4}" for i in range(120)], of_reference),
        embeddings(tmp_path / "re.h5", known),
    )
    audit_leakage(OFTEN, *paths, tmp_path / "out.h5", Provenance(rule="audit_leakage"), "training set")
    found, value = read_artifact(tmp_path / "out.h5", schemas.LEAKAGE), quantities(tmp_path / "out.h5", schemas.LEAKAGE)
    assert found["nearest_index"][:3].tolist() == [5, 50, 119]
    assert (found["nearest_similarity"][:3] > 0.99).all()
    assert found["beyond_null"].tolist() == [0, 1, 2] == found["copied"].tolist() and value["copied"] == 3
    assert set(found["compared"][:3]) == {0, 1, 2} and value["compared"] >= 12

    u = unit(known)
    impostor = np.array([u[i] @ u[j] for i in range(120) for j in range(i) if i // 4 != j // 4])
    assert (impostor > found["threshold"] + 1e-6).mean() <= 0.01 < (impostor > found["threshold"] - 1e-3).mean() + 2e-3
    matching = found["nearest_similarity"] > found["threshold"]
    assert value["matching"] == matching.mean() >= 3 / 23
    null = np.array([max(u[i] @ u[j] for j in range(120) if i // 4 != j // 4) for i in range(120)])
    np.testing.assert_allclose(np.sort(found["null_similarity"]), np.sort(null), atol=1e-6)
    assert value["matching_null"] == (found["null_similarity"] > found["threshold"]).mean()
    assert value["ratio"] == pytest.approx(value["matching"] / value["matching_null"])
    shares = [matching[2 * k : 2 * k + 2].mean() for k in range(12)]
    assert value["identities_matching"] == np.mean([share > 0 for share in shares])
    assert value["identities_half_matching"] == np.mean([share >= 0.5 for share in shares])
    assert value["identity_matching_median"] == np.median(shares)
    assert value["beyond_null_p"] == pytest.approx(math.comb(23, 3) / math.comb(143, 3))
    low, high = found["interval"][found["name"].tolist().index("matching")]
    assert low <= value["matching"] <= high
    attributes = read_attributes(tmp_path / "out.h5", schemas.LEAKAGE)
    assert attributes["rule"] == "audit_leakage" and attributes["role"] == "training set"
    assert (attributes["faceset"], attributes["reference"], bool(attributes["is_reference"])) == ("s", "r", False)

    audit_leakage(OFTEN, *paths, tmp_path / "again.h5", Provenance(rule="audit_leakage"))
    again = read_artifact(tmp_path / "again.h5", schemas.LEAKAGE)
    assert all(np.array_equal(found[name], again[name], equal_nan=name in ("value", "interval")) for name in found)


def test_unrelated_people_are_the_null_where_they_are_named(tmp_path):
    values = {"s": people(20, 2, 32, 1), "r": people(30, 4, 32, 0), "u": people(25, 1, 32, 2)}
    files = {
        key: (face_set(tmp_path / f"{key}.h5", [f"{i}" for i in range(len(v))]), embeddings(tmp_path / f"{key}e.h5", v))
        for key, v in values.items()
    }
    audit_leakage(OFTEN, *files["s"], *files["r"], tmp_path / "o.h5", Provenance(), unrelated=files["u"])
    found = read_artifact(tmp_path / "o.h5", schemas.LEAKAGE)
    expected = (unit(values["u"]) @ unit(values["r"]).T).max(1)
    np.testing.assert_allclose(found["null_similarity"], expected, atol=1e-6)
    assert read_attributes(tmp_path / "o.h5", schemas.LEAKAGE)["null"] == "u"


def test_a_set_under_another_name_is_told(tmp_path, caplog):
    values, images = people(10, 3, 16, 0), pictures(30, 0)
    names = [f"{i // 3}" for i in range(30)]
    first = face_set(tmp_path / "a.h5", names, images), embeddings(tmp_path / "ae.h5", values)
    second = face_set(tmp_path / "b.h5", names, images), embeddings(tmp_path / "be.h5", 2 * values)
    audit_leakage(OFTEN, *first, *second, tmp_path / "o.h5", Provenance())
    assert read_attributes(tmp_path / "o.h5", schemas.LEAKAGE)["is_reference"]
    assert "it is audited against itself" in caplog.text
    assert quantities(tmp_path / "o.h5", schemas.LEAKAGE)["copied"] == 30


def test_leakage_refuses_what_it_cannot_judge(tmp_path):
    faces, few = face_set(tmp_path / "f.h5", ["a", "b"]), embeddings(tmp_path / "e.h5", people(2, 1, 8, 0))
    alone = face_set(tmp_path / "a.h5", ["a", "a"])
    other = embeddings(tmp_path / "o.h5", people(2, 1, 9, 0))
    long = embeddings(tmp_path / "l.h5", people(3, 1, 8, 0))
    output, audit = tmp_path / "out.h5", LeakageAudit()
    for error, arguments, sentence in (
        (UnmeasurableError, (faces, few, faces, few), "1 image pairs of different identities cannot tell"),
        (UnmeasurableError, (alone, few, faces, few), "images of one identity have no interval"),
        (InputError, (faces, other, faces, few), "use one embedder"),
        (InputError, (faces, long, faces, few), "3 embeddings for the 2 images"),
    ):
        with pytest.raises(error, match=sentence):
            audit_leakage(audit, *arguments, output, Provenance())
    three = face_set(tmp_path / "t.h5", ["a", "b", "c"]), long
    with pytest.raises(InputError, match="use one embedder"):
        audit_leakage(
            LeakageAudit(false_match_rate=0.5), *three, *three, output, Provenance(), unrelated=(faces, other)
        )
    with pytest.raises(UnmeasurableError, match="of one identity; two are needed"):
        find_duplicates(audit, alone, few, output, Provenance())
    assert not output.exists()


def test_what_cannot_be_judged_is_written_down_and_drawn_as_that(tmp_path):
    few = face_set(tmp_path / "f.h5", ["a", "b"]), embeddings(tmp_path / "e.h5", people(2, 1, 8, 0))
    out = tmp_path / "o.h5"
    with or_unmeasured(out, schemas.LEAKAGE, Provenance()):
        audit_leakage(LeakageAudit(), *few, *few, out, Provenance())
    plot_nearest_sheet(out, few[0], few[0], tmp_path / "n.png", tmp_path / "n.csv")
    assert (tmp_path / "n.csv").read_text() == "image,nearest,cosine,correlation,copied\n"
    assert Image.open(tmp_path / "n.png").size[0] == 800
    plot_leakage({"f | f": out}, tmp_path / "l.svg", tmp_path / "l.csv")
    assert "f | f: not measured: " in (tmp_path / "l.svg").read_text()


# ── pixels and duplicates ────────────────────────────────────────────────────────────────────────────────────────────


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_a_photograph_is_known_again_and_others_are_not(tmp_path):
    images = pictures(40, 3)
    again = images.copy()
    again[1] = jpeg(images[1], 50)
    again[2] = images[2, :, ::-1]
    again[3] = np.roll(images[3], (1, -1), (0, 1))
    again[4] = images[4] // 2 + 60  # another exposure
    again[5] = 128
    again[6:] = np.roll(again[6:], 1, 0)
    first, second = (
        FaceSet(face_set(tmp_path / "a.h5", [""] * 40, images)),
        FaceSet(face_set(tmp_path / "b.h5", [""] * 40, again)),
    )
    found = photograph_correlation(first, np.arange(40), second, np.arange(40))
    assert (found[:5] >= SAME_PHOTOGRAPH).all() and found[0] == pytest.approx(1)
    assert found[5] == 0 and (found[6:] < SAME_PHOTOGRAPH).all()
    wide = FaceSet(face_set(tmp_path / "w.h5", [""] * 40, np.pad(images, ((0, 0), (0, 0), (4, 4), (0, 0)))))
    assert (photograph_correlation(first, np.arange(40), wide, np.arange(40)) > 0.999).all()  # cut to be as narrow


def test_duplicates_are_found_within_and_across_identities(tmp_path):
    values, images = people(12, 5, 48, 0), pictures(60, 0)
    for copy, of in ((3, 1), (40, 12)):  # in identity 0; in identities 8 and 2
        values[copy], images[copy] = values[of] + 0.01, images[of]
    faces = face_set(tmp_path / "f.h5", [f"p{i // 5}" for i in range(60)], images)
    find_duplicates(OFTEN, faces, embeddings(tmp_path / "e.h5", values), tmp_path / "o.h5", Provenance())
    found = read_artifact(tmp_path / "o.h5", schemas.DUPLICATES)
    value = quantities(tmp_path / "o.h5", schemas.DUPLICATES)
    assert found["repeated"].tolist() == [[1, 3], [3, 1]] and value["repeated"] == 2
    assert found["repeated_other"].tolist() == [[12, 40], [40, 12]] and value["repeated_other"] == 2
    u = unit(values)
    cosine = u @ u.T
    same = np.equal.outer(np.arange(60) // 5, np.arange(60) // 5)
    other = np.where(same, -2, cosine).max(1)
    mate = np.where(same & ~np.eye(60, dtype=bool), cosine, -2).max(1)
    np.testing.assert_allclose(found["other_similarity"], other, atol=1e-6)
    np.testing.assert_allclose(found["same_similarity"], mate, atol=1e-6)
    assert value["matching_other"] == (found["other_similarity"] > found["threshold"]).mean()
    assert value["nearer_to_another"] == np.mean(other > mate) >= 2 / 60
    assert value["matching_other_null"] == pytest.approx(1 - 0.99**55)

    strangers = people(30, 1, 48, 7)
    unrelated = face_set(tmp_path / "u.h5", [f"{i}" for i in range(30)]), embeddings(tmp_path / "ue.h5", strangers)
    find_duplicates(OFTEN, faces, tmp_path / "e.h5", tmp_path / "u2.h5", Provenance(), unrelated)
    expected = ((unit(strangers) @ u.T).max(1) > found["threshold"]).mean()
    assert quantities(tmp_path / "u2.h5", schemas.DUPLICATES)["matching_other_null"] == expected


# ── real photographs ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def photographs(real_faces, tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """2,000 photographs of FairFace, the reference; 950 and 500 others, unrelated; the 950 with 50 copies of the reference's."""
    folder = tmp_path_factory.mktemp("photographs")
    weights = real_faces / "weights/xiaoccer_casia_mobilefacenet128_sd.pt"
    model = folder / "model"
    import_embedder(WeightsEmbedder(source="weights", path=str(weights), layout="mobilefacenet_112x96"), model)
    whole = {}
    for name in ("fairface", "fairface_more"):
        settings = RecordIOFaces(source="recordio", path=str(real_faces / f"faces_{name}_112x112"))
        import_faces(settings, folder / f"{name}.h5", Provenance())
        whole[name] = FaceSet(folder / f"{name}.h5")
    reference, others = whole["fairface"].images(slice(0, 2000)), whole["fairface_more"].images(slice(0, 1450))
    copies = reference[0:2000:40].copy()
    copies[10:20] = [jpeg(image, 50) for image in copies[10:20]]
    copies[20:30] = copies[20:30, :, ::-1]
    copies[30:40] = [jpeg(image[:, ::-1], 70) for image in copies[30:40]]
    sets = {"reference": reference, "clean": others[:950], "unrelated": others[950:]}
    sets["planted"] = np.concatenate([copies, others[:950]])
    files = {}
    for name, images in sets.items():
        files[name] = (folder / f"{name}.h5", folder / f"{name}e.h5")
        face_set(files[name][0], [""] * len(images), images)
        if name != "clean":
            embed_faces(files[name][0], model, files[name][1])
    planted = read_artifact(files["planted"][1], schemas.EMBEDDINGS)["embedding"]
    by = {"embedder": read_attributes(files["planted"][1], schemas.EMBEDDINGS)["embedder"]}
    write_artifact(files["clean"][1], schemas.EMBEDDINGS, {"embedding": planted[50:]}, attrs=by)
    return files


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("null", ["unrelated", "others of the reference"])
def test_planted_photographs_are_told_and_no_others(photographs, tmp_path, null):
    named = photographs["unrelated"] if null == "unrelated" else None
    for name in ("planted", "clean"):
        out = tmp_path / f"{name}.h5"
        audit_leakage(LeakageAudit(), *photographs[name], *photographs["reference"], out, Provenance(), unrelated=named)
    found = read_artifact(tmp_path / "planted.h5", schemas.LEAKAGE)
    assert found["copied"].tolist() == list(range(50))
    assert found["nearest_index"][:50].tolist() == list(range(0, 2000, 40))
    planted, clean = (quantities(tmp_path / f"{name}.h5", schemas.LEAKAGE) for name in ("planted", "clean"))
    # the likeliest look-alikes of the null are nearer than a JPEG of a copy may be, which its pixels tell all the same
    assert planted["beyond_null"] >= 45 and planted["beyond_null_p"] < 1e-6
    assert clean["copied"] == 0 and clean["beyond_null_p"] > 0.01
    found = read_artifact(tmp_path / "clean.h5", schemas.LEAKAGE)
    low, high = found["interval"][found["name"].tolist().index("matching_null")]
    assert low <= clean["matching"] <= high


def test_embeddings_of_one_length_by_two_embedders_are_not_compared(tmp_path):
    values = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    for name in ("mine", "theirs"):
        with FaceSetWriter(tmp_path / f"{name}.h5", (4, 4), "raw") as writer:
            writer.add(np.zeros((30, 4, 4, 3), np.uint8), [f"{name}{i // 3}" for i in range(30)])
        path = tmp_path / f"{name}_embeddings.h5"
        write_artifact(path, schemas.EMBEDDINGS, {"embedding": values}, attrs={"embedder": f"of {name}"})
    given = [tmp_path / name for name in ("mine.h5", "mine_embeddings.h5", "theirs.h5", "theirs_embeddings.h5")]
    with pytest.raises(InputError, match="a cosine across two embedders means nothing"):
        audit_leakage(LeakageAudit(false_match_rate=0.1), *given, tmp_path / "out.h5", Provenance())
    assert not (tmp_path / "out.h5").exists()

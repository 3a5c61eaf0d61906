"""Every figure: drawn from artifacts, true to them in its CSV, the same bytes each time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semihard.attributes.comparison import compare_attributes
from semihard.figures.attributes import (
    plot_attribute_curves,
    plot_attribute_divergence,
    plot_attribute_heat,
    plot_attributes,
)
from semihard.figures.audits import plot_diversity
from semihard.figures.discovery import plot_accuracy_over_similarity
from semihard.figures.leakage import plot_duplicates, plot_leakage
from semihard.figures.leakage_sheet import plot_nearest_sheet
from semihard.figures.sheets import plot_sample_sheet, plot_similarity_ladder
from semihard.figures.similarity import plot_bins, plot_calibration, plot_similarity_histogram
from semihard.figures.style import looks, shared_bins
from semihard.figures.training import plot_training_curves
from semihard.figures.verification import plot_accuracy_table, plot_roc
from semihard.generator.calibration import statistics
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.study_table.scores import Outputs, Row, score_study
from semihard.verification.protocol import squared_distances, verify
from tests.unit.test_attribute_comparison import annotated

M = np.linspace(-1, 1, 21)
FIGURES = (
    "samples",
    "ladder",
    "nearest",
    "calibration",
    "histogram",
    "bins",
    "training",
    "roc",
    "accuracy",
    "attributes",
    "attribute_divergence",
    "attribute_heat",
    "attribute_curves",
    "leakage",
    "duplicates",
    "diversity",
)


def faces(identity: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Cartoons of a face, uint8 `[n, size, size, 3]`: skin, hair and eyes by identity, pose and light by image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    out = np.empty((len(identity), size, size, 3))
    for image, k in zip(out, identity, strict=True):
        of = np.random.default_rng(1000 + int(k))
        skin, hair, back = of.uniform([150, 100, 80], [245, 190, 160]), of.uniform(10, 140, 3), rng.uniform(90, 220, 3)
        width, eye = of.uniform(0.5, 0.75), of.uniform(0.2, 0.32)
        dx, dy, light = rng.uniform(-0.15, 0.15), rng.uniform(-0.08, 0.08), rng.uniform(-0.25, 0.25)
        face = ((x - dx) / width) ** 2 + ((y - dy) / 0.85) ** 2 < 1
        image[:] = back
        image[face] = skin
        image[face & (y - dy < -0.45)] = hair
        for side in (-1, 1):
            image[((x - dx * 1.5 - side * eye) ** 2 + (y - dy + 0.1) ** 2) < 0.008] = 25
        image[(np.abs(x - dx * 1.5) < 0.22) & (np.abs(y - dy - 0.45) < 0.04)] = (150, 50, 50)
        image *= 1 + light * x[..., None]
    return np.clip(out, 0, 255).round().astype(np.uint8)


def face_set(path: Path, identity: list[str], size: int = 112) -> Path:
    number = np.unique(identity, return_inverse=True)[1]
    with FaceSetWriter(path, (size, size), "raw") as writer:
        writer.add(faces(number, size, 0), identity)
    return path


def calibration(path: Path, m: np.ndarray = M, inquiries: int = 3, size: int = 112) -> Path:
    """20 inquiries, 3 images each, by two embedders: one the generator pleases, one that it pleases less."""
    rng = np.random.default_rng(4)
    mean = np.array([0.75, 0.4])[:, None] * m + 0.1
    scatter = rng.normal(0, 1, (2, len(m), 20, 3)) * (0.07 + 0.05 * (1 - m**2))[:, None, None]
    similarity = np.clip(mean[..., None, None] + scatter, -1, 1).astype(np.float32)
    images = np.stack([faces(np.arange(inquiries) + 10 * abs(round(10 * (1 - value))), size, 3) for value in m])
    data = {"m": m, "embedder": ["loss", "casia"], "similarity": similarity, **statistics(m, similarity)}
    write_artifact(
        path, schemas.CALIBRATION, data | {"images": images, "inquiry_images": faces(np.arange(inquiries), size, 3)}
    )
    return path


def centers(path: Path, mean: float, sd: float, identities: int = 60, images: int = 40) -> Path:
    rng = np.random.default_rng(round(100 * mean))
    similarity = np.clip(rng.normal(mean, sd, identities * images), -1, 1).astype(np.float32)
    similarity[:3] = np.nan
    names = [f"p{k}" for k in range(identities)]
    data = {"center": np.eye(identities), "identity_names": names, "count": np.full(identities, images)}
    write_artifact(path, schemas.CENTERS, data | {"similarity": similarity})
    return path


def bins(path: Path, similarity: np.ndarray, images: int = 40) -> Path:
    groups = np.nan_to_num(similarity.astype(np.float64), nan=-2).reshape(-1, images)
    rank = np.argsort(np.argsort(-groups, axis=1), axis=1)
    number = np.where(groups > -1.5, rank * 5 // images, -1)
    in_bin = [np.ma.array(groups, mask=number != b) for b in range(5)]
    data = {
        "bin": number.ravel(),
        "mean_similarity": [b.mean() for b in in_bin],
        "highest": [b.max(1).mean() for b in in_bin],
        "lowest": [b.min(1).mean() for b in in_bin],
        "count": [b.count() for b in in_bin],
    }
    write_artifact(path, schemas.BINS, data)
    return path


def history(path: Path, seed: int, columns: tuple[str, ...]) -> Path:
    rng, steps = np.random.default_rng(seed), np.arange(20, 4001, 20)
    shape = {
        "loss": (25 + 2 * seed) * np.exp(-steps / 1200) + 2,
        "accuracy": 1 - np.exp(-steps / (1500 + 300 * seed)),
        "learning_rate": np.where(steps < 2600, 0.1, np.where(steps < 3400, 0.01, 0.001)),
        "images_per_second": np.full(len(steps), 900.0),
    }
    noise = {"loss": 0.4, "accuracy": 0.01, "learning_rate": 0, "images_per_second": 20}
    data = {f"columns/{name}": shape[name] + noise[name] * rng.normal(size=len(steps)) for name in columns}
    write_artifact(path, schemas.HISTORY, {"step": steps} | data)
    return path


def verification(path: Path, spread: float, pairs: int = 2000) -> Path:
    rng = np.random.default_rng(1)
    base = rng.normal(size=(pairs, 64))
    embedding = np.concatenate([base, base + spread * rng.normal(size=base.shape)])
    first, same, fold = np.arange(pairs), np.arange(pairs) % 2 == 0, np.arange(pairs) * 10 // pairs
    second = np.where(same, first + pairs, np.roll(first, 1) + pairs)
    distance = squared_distances(embedding, first, second)
    result = verify(distance, same, fold)
    data = {
        "distance": distance,
        "same": same,
        "fold": fold,
        "accuracy": result.accuracy,
        "threshold": result.threshold,
    }
    write_artifact(path, schemas.VERIFICATION, data)
    return path


ATTRIBUTES = ("Male", "Smiling", "Eyeglasses", "Bald", "Age_0_2", "Age_20_29", "Age_70_or_more", "Big_Nose")


def attributes(folder: Path) -> dict[str, Path]:
    """The four tables of three sets: of the last, half the labels of one attribute are undefined; another is not seen."""
    rng = np.random.default_rng(0)
    shares, sets = rng.beta(1, 2, len(ATTRIBUTES)), {}
    for n, name in enumerate(("casia", "cemiface_m0", "dcface")):
        person = rng.random((60, len(ATTRIBUTES))) < shares * (1 - 0.3 * n)
        label = (np.repeat(person, 5, 0) ^ (rng.random((300, len(ATTRIBUTES))) < 0.1)).astype(np.int8)
        label[:, 1][rng.random(300) < 0.25 * n] = -1
        columns = {"phi": np.tile(np.linspace(0, 1, 5), 60)} if n else None
        path = folder / f"attributes_{name}.h5"
        sets[name] = annotated(path, label, np.repeat(np.arange(60), 5), None, ATTRIBUTES, 3, columns)
    tables = {name: folder / f"attributes_{name}.csv" for name in ("sets", "pairs", "together", "along")}
    compare_attributes(sets, ["casia"], [], 100, tables)
    return tables


def leakage(path: Path, mean: float, faceset: str, reference: str, role: str) -> Path:
    rng = np.random.default_rng(round(100 * mean))
    nearest, null = (np.clip(rng.normal(m, 0.07, 180), -1, 1).astype(np.float32) for m in (mean, 0.29))
    first = np.argsort(-nearest)[:20]
    value = {"matching": (nearest > 0.42).mean(), "matching_null": (null > 0.42).mean(), "copied": 2}
    value["images"] = 180
    data = {
        "name": list(value),
        "value": list(value.values()),
        "interval": [(value["matching"] - 0.01, value["matching"] + 0.01), *[(np.nan, np.nan)] * 3],
        "image": np.arange(180),
        "nearest_index": rng.integers(0, 180, 180),
        "nearest_similarity": nearest,
        "threshold": 0.42,
        "null_similarity": null,
        "beyond_null": first[:2],
        "compared": first,
        "correlation": np.linspace(0.99, 0.2, 20),
        "copied": np.sort(first[:2]),
    }
    attributes = {"faceset": faceset, "reference": reference, "role": role, "null": "ffhq"}
    write_artifact(path, schemas.LEAKAGE, data, attrs=attributes)
    return path


def duplicates(path: Path, matching: float) -> Path:
    value = {"images": 180, "matching_other": matching, "matching_other_null": 0.04, "nearer_to_another": matching / 3}
    value |= {"repeated": round(20 * matching), "repeated_other": 1}
    none = np.full((180,), -1)
    data = {
        "name": list(value),
        "value": list(value.values()),
        "interval": [(np.nan, np.nan)] * len(value),
        "threshold": 0.42,
        "image": np.arange(180),
        **{key: none for key in ("other_index", "other_similarity", "same_index", "same_similarity")},
        **{key: np.zeros((0, 2), np.int64) for key in ("repeated", "repeated_other")},
    }
    write_artifact(path, schemas.DUPLICATES, data)
    return path


def diversity(path: Path, genuine: float) -> Path:
    rng = np.random.default_rng(round(100 * genuine))
    data = {
        "name": ["identities", "consistency", "uniqueness", "equal_error_rate", "d_prime"],
        "value": [500, genuine + 0.3, 0.93, 0.08 - 0.05 * genuine, 8 * genuine],
        "genuine": np.clip(rng.normal(genuine, 0.13, 20_000), -1, 1),
        "impostor": np.clip(rng.normal(0.03, 0.09, 20_000), -1, 1),
    }
    write_artifact(path, schemas.DIVERSITY, data)
    return path


def scores(path: Path) -> Path:
    def pairs(name: str, spread: float) -> str:
        return str(verification(path.with_name(f"{name}_{spread}.h5"), spread))

    lines = [
        ("casia", "casia", 1.6),
        ("cemiface_m0", "cemiface_m0", 2.1),
        ("dcface", "dcface", 2.6),
        ("vggface2", "", 1.0),
    ]
    rows = [
        Row(
            label,
            faceset,
            "irse50_cosface",
            seed if faceset else None,
            benchmark,
            pairs(benchmark, spread + add + seed / 20),
        )
        for label, faceset, spread in lines
        for benchmark, add in (("lfw", 0), ("cfp_fp", 0.5), ("agedb_30", 0.7))
        for seed in ((0, 1) if label == "casia" else (0,))
    ]
    others = (path.with_suffix(suffix) for suffix in (".md", ".tex", ".h5"))
    outputs = Outputs(path, *others, path.with_name("mcnemar.csv"))
    score_study(rows, "casia", ["lfw", "cfp_fp", "agedb_30"], outputs, published=["cemiface_table6"])
    return path


def draw_all(folder: Path, kind: str = "svg") -> dict[str, tuple[Path, Path]]:
    """Every figure from fresh example artifacts, in `folder`: name → picture, CSV."""
    made = folder / "artifacts"
    made.mkdir(parents=True, exist_ok=True)
    for name, mean, sd in (("casia", 0.62, 0.14), ("cemiface_m0", 0.41, 0.1), ("dcface", 0.55, 0.08)):
        centers(made / f"centers_{name}.h5", mean, sd)
    with_centers = {name: made / f"centers_{name}.h5" for name in ("casia", "cemiface_m0", "dcface")}
    similarity = read_artifact(with_centers["casia"], schemas.CENTERS)["similarity"]
    bins(made / "bins.h5", similarity)
    face_set(made / "faces.h5", [f"n{k:06d}" for k in range(20) for _ in range(9)])
    calibration(made / "calibration.h5")
    all_columns = ("loss", "accuracy", "learning_rate", "images_per_second")
    histories = {
        "casia": history(made / "h0.h5", 0, all_columns),
        "cemiface_m0": history(made / "h1.h5", 1, all_columns),
        "dcface": history(made / "h2.h5", 2, all_columns[:3]),
    }
    rocs = {
        name: verification(made / f"v{s}.h5", s) for name, s in (("casia", 1.7), ("cemiface_m0", 2.1), ("dcface", 2.6))
    }
    tables = attributes(made)
    leaks = {
        f"{name} | {reference}": leakage(made / f"l{name}_{reference}.h5", mean, name, reference, role)
        for name, mean in (("cemiface_m0", 0.31), ("dcface", 0.36))
        for reference, role in (("casia", "training set"), ("lfw", "lfw"))
    }
    twice = {name: duplicates(made / f"t{name}.h5", share) for name, share in (("casia", 0.1), ("dcface", 0.3))}
    face_set(made / "others.h5", [f"o{k:06d}" for k in range(20) for _ in range(9)])
    measured = {
        name: diversity(made / f"d{name}.h5", g) for name, g in (("casia", 0.5), ("cemiface_m0", 0.35), ("dcface", 0.6))
    }
    paths = {
        name: (folder / f"{name}.{'png' if name in ('samples', 'ladder', 'nearest') else kind}", folder / f"{name}.csv")
        for name in FIGURES
    }
    plot_sample_sheet(made / "faces.h5", *paths["samples"])
    plot_similarity_ladder(made / "calibration.h5", *paths["ladder"])
    plot_calibration(made / "calibration.h5", *paths["calibration"])
    plot_similarity_histogram(with_centers, *paths["histogram"], real="casia")
    plot_bins(made / "bins.h5", with_centers["casia"], *paths["bins"])
    plot_training_curves(histories, *paths["training"], real="casia")
    plot_roc(rocs, *paths["roc"], real="casia")
    plot_accuracy_table(scores(made / "scores.csv"), *paths["accuracy"])
    plot_attributes(tables["sets"], *paths["attributes"])
    plot_attribute_divergence(tables["pairs"], *paths["attribute_divergence"])
    plot_attribute_heat(tables["sets"], *paths["attribute_heat"])
    over_m = {"title": "drawn by g", "facesets": ["cemiface_m0", "dcface"], "m": [0.0, 0.4]}
    plot_attribute_curves(tables["sets"], tables["along"], *paths["attribute_curves"], series=[over_m])
    plot_leakage(leaks, *paths["leakage"])
    plot_nearest_sheet(leaks["dcface | casia"], made / "faces.h5", made / "others.h5", *paths["nearest"])
    plot_duplicates(twice, *paths["duplicates"])
    plot_diversity(measured, *paths["diversity"])
    return paths


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_all(tmp_path_factory.mktemp("figures"))


def numbers(drawn: dict[str, tuple[Path, Path]], name: str) -> pd.DataFrame:
    return pd.read_csv(drawn[name][1])


def artifact(drawn: dict[str, tuple[Path, Path]], name: str, schema: schemas.Schema) -> dict[str, np.ndarray]:
    return read_artifact(drawn["samples"][0].parent / "artifacts" / name, schema)


def test_the_same_artifacts_give_the_same_bytes(drawn, tmp_path):
    again = draw_all(tmp_path)
    for name in FIGURES:
        for first, second in zip(drawn[name], again[name], strict=True):
            assert first.read_bytes() == second.read_bytes(), first.name
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", FIGURES[3:])
def test_charts_are_drawings_without_a_date(drawn, name):
    text = drawn[name][0].read_text()
    assert text.rstrip().endswith("</svg>") and "<dc:date>" not in text and text.count("<path") > 20


def colours(drawn: dict[str, tuple[Path, Path]], name: str) -> str:
    return drawn[name][0].read_text().lower()


def test_real_is_black_and_synthetic_sets_are_coloured(drawn):
    assert looks(["a", "real", "b"], "real") == {
        "a": {"color": "#0072B2", "linestyle": "-"},
        "real": {"color": "#222222", "linestyle": "-"},
        "b": {"color": "#D55E00", "linestyle": "-"},
    }
    many = [tuple(look.values()) for look in looks([str(i) for i in range(18)]).values()]
    assert len(set(many)) == 18
    for name in ("histogram", "training", "roc", "accuracy", "attributes"):
        assert {"#222222", "#0072b2", "#d55e00"} <= {f"#{rest[:6]}" for rest in colours(drawn, name).split("#")}


@pytest.mark.parametrize(("identities", "images", "size"), [(20, 9, 112), (3, 2, 120), (14, 5, 112)])
def test_sample_sheet_holds_the_very_pixels(tmp_path, identities, images, size):
    path = face_set(tmp_path / "f.h5", [f"p{k:02d}" for k in range(identities) for _ in range(images)], size)
    plot_sample_sheet(path, tmp_path / "s.png", tmp_path / "s.csv")
    table, sheet, faces_of = pd.read_csv(tmp_path / "s.csv"), np.asarray(Image.open(tmp_path / "s.png")), FaceSet(path)
    assert len(table) == min(identities, 12) * min(images, 8)
    assert table["identity"].nunique() == min(identities, 12) and table["image"].is_unique
    assert [faces_of.identity_names[k] for k in faces_of.identity[table["image"]]] == table["identity"].tolist()
    left = sheet.shape[1] - 8 - min(images, 8) * (size + 2) + 2
    for place in table.itertuples():
        y, x = 8 + place.row * (size + 2), left + place.column * (size + 2)
        np.testing.assert_array_equal(sheet[y : y + size, x : x + size], faces_of.images([place.image])[0])


def test_sample_sheet_prefers_identities_with_enough_images(tmp_path):
    identity = [f"rare{k}" for k in range(30)] + [f"common{k:02d}" for k in range(13) for _ in range(8)]
    plot_sample_sheet(face_set(tmp_path / "f.h5", identity), tmp_path / "s.png", tmp_path / "s.csv")
    assert pd.read_csv(tmp_path / "s.csv")["identity"].str.startswith("common").all()


def test_sample_sheet_of_unlabelled_small_faces(tmp_path):
    plot_sample_sheet(face_set(tmp_path / "f.h5", [""] * 200, 32), tmp_path / "s.png", tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv")
    assert len(table) == 96 and table["image"].iloc[[0, -1]].tolist() == [0, 199]
    assert Image.open(tmp_path / "s.png").width == 16 + 8 * 114 - 2  # enlarged to 112 pixels, no room for names


def test_ladder_shows_inquiry_and_every_rung_from_same_to_other(drawn):
    table, data = numbers(drawn, "ladder"), artifact(drawn, "calibration.h5", schemas.CALIBRATION)
    sheet = np.asarray(Image.open(drawn["ladder"][0]))
    assert table.groupby("row")["m"].apply(lambda m: (np.diff(m) < 0).all()).all()
    assert len(table) == 3 * 21 and table["m"].nunique() == 21
    for place in table.itertuples():
        s = int(np.argmin(np.abs(data["m"] - place.m)))
        assert place.similarity == pytest.approx(data["similarity"][0, s, place.row, 0], abs=1e-6)
        y, x = 38 + place.row * 144, 136 + place.column * 114
        np.testing.assert_array_equal(sheet[y : y + 112, x : x + 112], data["images"][s, place.row])
        np.testing.assert_array_equal(sheet[y : y + 112, 8:120], data["inquiry_images"][place.row])


def test_calibration_numbers(drawn):
    table, data = numbers(drawn, "calibration"), artifact(drawn, "calibration.h5", schemas.CALIBRATION)
    bins = ["below_0", "0_to_0.1", "0.1_to_0.2", "0.2_to_0.3", "0.3_to_0.4", "0.4_to_0.5", "above_0.5"]
    assert table.groupby("embedder", sort=False).size().to_dict() == {"loss": 21, "casia": 21}
    for row, counts in zip(table.itertuples(), table[bins].to_numpy(), strict=True):
        e, s = ["loss", "casia"].index(row.embedder), int(np.argmin(np.abs(data["m"] - row.m)))
        achieved = data["similarity"][e, s].astype(np.float64)
        assert row.images == 60 and row.mean == pytest.approx(achieved.mean(), abs=1e-6)
        assert row.standard_deviation == pytest.approx(achieved.std(), abs=1e-6)
        assert counts.tolist() == data["counts"][e, s].tolist()
        for name in ("pearson_r_mean", "pearson_r", "pearson_r_within", "monotonicity"):
            assert getattr(row, name) == pytest.approx(data[name][e], abs=1e-6), name
    drawing = drawn["calibration"][0].read_text()
    for e, name in enumerate(("loss", "casia")):  # both correlations stand in the legend
        assert f"{name}  {data['pearson_r_mean'][e]:.3f} mean, {data['pearson_r'][e]:.3f} single" in drawing


def test_a_calibration_of_one_m_is_one_point_and_one_column(tmp_path):
    path = calibration(tmp_path / "c.h5", np.zeros(1), size=32)
    plot_calibration(path, tmp_path / "c.svg", tmp_path / "c.csv")
    plot_similarity_ladder(path, tmp_path / "l.png", tmp_path / "l.csv")
    table = pd.read_csv(tmp_path / "c.csv")
    assert table["embedder"].tolist() == ["loss", "casia"] and table["pearson_r"].isna().all()
    assert len(pd.read_csv(tmp_path / "l.csv")) == 3
    assert Image.open(tmp_path / "l.png").width == 8 + 112 + 16 + 112 + 8  # the inquiry and its only rung, enlarged


def test_histograms_count_every_image_once(drawn):
    table = numbers(drawn, "histogram")
    assert list(table["faceset"].unique()) == ["casia", "cemiface_m0", "dcface"]
    for name, part in table.groupby("faceset"):
        similarity = artifact(drawn, f"centers_{name}.h5", schemas.CENTERS)["similarity"]
        similarity = similarity[~np.isnan(similarity)].astype(np.float64)
        assert part["count"].sum() == len(similarity) == 2397 and part["share"].sum() == pytest.approx(1)
        inside = [((similarity >= row.low) & (similarity < row.high)).sum() for row in part.itertuples()]
        assert np.abs(part["count"] - inside).sum() <= 2 * (similarity == 1).sum()
        assert part["mean"].iloc[0] == pytest.approx(similarity.mean(), abs=1e-6)


def test_edges_cover_the_values_at_round_numbers():
    edges = shared_bins([np.array([0.119, 0.3]), np.array([-0.051])], 0.02)
    assert edges[0] == -0.06 and edges[-1] == 0.3 and np.allclose(np.diff(edges), 0.02)
    assert len(shared_bins([np.array([0.5])], 0.5)) == 2  # one value, on an edge


def test_bins_are_those_of_the_artifact(drawn):
    table, data = numbers(drawn, "bins"), artifact(drawn, "bins.h5", schemas.BINS)
    summary = table.groupby("bin").first()
    for name in ("mean_similarity", "highest", "lowest"):
        np.testing.assert_allclose(summary[name], data[name], rtol=1e-6)
    assert table.groupby("bin")["count"].sum().tolist() == summary["images"].tolist() == data["count"].tolist()


def test_training_curves_have_every_point(drawn):
    table = numbers(drawn, "training")
    assert table.dropna().groupby("label")["quantity"].nunique().to_dict() == {
        "casia": 4,
        "cemiface_m0": 4,
        "dcface": 3,
    }
    data = artifact(drawn, "h1.h5", schemas.HISTORY)
    part = table[(table["label"] == "cemiface_m0") & (table["quantity"] == "loss")]
    assert part["step"].tolist() == data["step"].tolist()
    np.testing.assert_allclose(part["value"], data["columns/loss"], rtol=1e-6)


def test_roc_points_by_counting(drawn):
    table, data = numbers(drawn, "roc"), artifact(drawn, "v2.1.h5", schemas.VERIFICATION)
    part = table[table["label"] == "cemiface_m0"].reset_index(drop=True)
    assert part["true_accept_rate"].is_monotonic_increasing and part.iloc[-1]["true_accept_rate"] == 1
    for row in part.iloc[[1, 100, 700]].itertuples():
        accepted = data["distance"] <= row.threshold * (1 + 1e-6)
        assert row.true_accept_rate == pytest.approx(accepted[data["same"]].mean(), abs=2e-3)
        assert row.false_accept_rate == pytest.approx(accepted[~data["same"]].mean(), abs=2e-3)


@pytest.mark.parametrize(
    ("accuracy", "finding"),
    [
        ((80, 90, 85), "highest at 0.50: 90.00 %, clear of both ends"),
        ((80, 90, 89.5), "highest at 0.50: 90.00 %; the most similar are not clearly worse"),
        ((90, 89.5, 80), "highest at 0.20: 90.00 %, the least similar"),
        ((89.5, 89, 90), "highest at 0.80: 90.00 %, the most similar; no clear difference to the other end"),
        ((90, 90.5, 90), "highest at 0.50: 90.50 %; neither end is clearly worse"),
    ],
)
def test_the_discovery_figure_says_what_was_found(tmp_path, accuracy, finding):
    """Three bins, the most similar first in the table; ± 1 point each. The real line is none of them."""
    labels = ["casia", "bin 0", "bin 1", "bin 2"]
    average = np.array([95, *accuracy[::-1]], float)
    data = {
        "label": labels,
        "faceset": labels,
        "recognizer": ["r"] * 4,
        "benchmark": ["lfw"],
        "averaged": [True],
        "seed": [0],
    }
    data |= {"accuracy": average[:, None, None], "average": average, "interval": average[:, None] + [-1, 1]}
    write_artifact(tmp_path / "scores.h5", schemas.SCORES, data)
    bins = {"bin": np.zeros(5), "count": np.ones(3), "highest": np.ones(3), "lowest": np.ones(3)}
    write_artifact(tmp_path / "bins.h5", schemas.BINS, bins | {"mean_similarity": np.array([0.8, 0.5, 0.2])})
    series = {
        "title": "bins of casia",
        "axis": "similarity",
        "bins": str(tmp_path / "bins.h5"),
        "labels": labels[1:],
        "x": [0, 1, 2],
    }
    plot_accuracy_over_similarity(tmp_path / "scores.h5", tmp_path / "f.svg", tmp_path / "f.csv", [series], "casia")
    table = pd.read_csv(tmp_path / "f.csv")
    assert table["similarity"].tolist() == [0.2, 0.5, 0.8] and table["accuracy"].tolist() == list(accuracy)
    assert (table["high"] - table["low"] == 2).all() and table["finding"].unique().tolist() == [finding]
    assert (tmp_path / "f.svg").stat().st_size > 5000


def test_the_discovery_figure_has_every_averaged_benchmark(tmp_path):
    """Two seeds, of which the mean is drawn; the benchmark that does not enter AVG is left out."""
    labels, m = ["casia", *(f"m = {k}" for k in range(4))], [0.0, -0.4, 0.4, 0.8]
    accuracy = 80 + np.random.default_rng(0).uniform(0, 10, (5, 3, 2))
    average = accuracy[:, :2].mean((1, 2))
    data = {"label": labels, "faceset": labels, "recognizer": ["r"] * 5, "benchmark": ["lfw", "cfp_fp", "ijbc"]}
    data |= {"averaged": [True, True, False], "seed": [0, 1], "accuracy": accuracy, "average": average}
    write_artifact(tmp_path / "s.h5", schemas.SCORES, data | {"interval": average[:, None] + [-1, 1]})
    series = {"title": "drawn by g", "axis": "requested similarity m", "bins": None, "labels": labels[1:], "x": m}
    plot_accuracy_over_similarity(tmp_path / "s.h5", tmp_path / "f.svg", tmp_path / "f.csv", [series], "casia")
    table = pd.read_csv(tmp_path / "f.csv")
    order = 1 + np.argsort(m)
    np.testing.assert_allclose(table[["lfw", "cfp_fp"]], accuracy[order, :2].mean(2))
    assert "ijbc" not in table and table["similarity"].tolist() == sorted(m)


def test_accuracy_picture_shows_the_study_table(drawn):
    table = numbers(drawn, "accuracy")
    source = pd.read_csv(drawn["samples"][0].parent / "artifacts" / "scores.csv", comment="#").set_index("label")
    assert table["benchmark"].unique().tolist() == ["AVG", "lfw", "cfp_fp", "agedb_30"]
    for row in table.itertuples():
        assert row.accuracy == pytest.approx(source.loc[row.label, row.benchmark], abs=1e-4)
    average = table[table["benchmark"] == "AVG"].set_index("label")
    assert (average["low"] < average["accuracy"]).all() and (average["accuracy"] < average["high"]).all()
    gap = average.loc["casia", "accuracy"] - average.loc["dcface", "accuracy"]
    assert average.loc["dcface", "gap_to_real_points"] == pytest.approx(gap, abs=1e-3)
    assert np.isnan(average.loc["vggface2", "gap_to_real_points"])


def test_audit_charts_write_what_they_read(drawn):
    made = drawn["samples"][0].parent / "artifacts"
    for name, source in (("attributes", "sets"), ("attribute_divergence", "pairs")):
        drawn_from = pd.read_csv(made / f"attributes_{source}.csv")
        if source == "pairs":
            drawn_from = drawn_from[drawn_from["first"] == "casia"].reset_index(drop=True)
        pd.testing.assert_frame_equal(numbers(drawn, name), drawn_from, rtol=1e-6, check_dtype=False)
    heat = numbers(drawn, "attribute_heat").set_index("attribute")
    assert heat.loc["Bald"].isna().all(), "not seen by the classifier: grey, and there"
    assert set(heat.index) == set(ATTRIBUTES)
    curves = numbers(drawn, "attribute_curves")
    assert set(curves["curve"]) == {"drawn by g", "cemiface_m0 over φ", "dcface over φ"}
    assert "#a8a8a8" in colours(drawn, "attributes"), "the name of what is not seen is grey"

    table = numbers(drawn, "leakage")
    assert table.groupby("role")["reference"].unique().str[0].to_dict() == {"training set": "casia", "lfw": "lfw"}
    leaks = table.set_index(["faceset", "reference", "quantity"])
    data = artifact(drawn, "ldcface_casia.h5", schemas.LEAKAGE)
    of = {
        key: leaks.loc[[("dcface", "casia", key)]] for key in ("matching", "threshold", "share", "null share", "copied")
    }
    assert of["matching"]["value"].item() == pytest.approx((data["nearest_similarity"] > 0.42).mean(), rel=1e-6)
    assert of["matching"]["low"].item() < of["matching"]["value"].item() < of["matching"]["high"].item()
    assert of["threshold"]["value"].item() == 0.42 and of["copied"]["value"].item() == 2
    assert of["share"]["value"].sum() == pytest.approx(1) == of["null share"]["value"].sum()

    nearest = numbers(drawn, "nearest")
    row = data["compared"][:12]
    assert nearest["image"].tolist() == row.tolist() and nearest["copied"].tolist() == [True] * 2 + [False] * 10
    assert nearest["nearest"].tolist() == data["nearest_index"][row].tolist()
    assert nearest["cosine"].tolist() == pytest.approx(data["nearest_similarity"][row], abs=1e-6)

    twice = numbers(drawn, "duplicates").set_index(["faceset", "quantity"])["value"]
    assert twice["dcface", "matching_other"] == 0.3 and twice["dcface", "repeated"] == 6

    measured = numbers(drawn, "diversity").set_index(["faceset", "quantity"])["value"]
    assert measured["casia", "d_prime"].item() == 4 and measured["casia", "uniqueness"].item() == 0.93
    assert measured["casia", "genuine"].sum() == pytest.approx(1) == measured["casia", "impostor"].sum()


def test_attributes_of_too_few_people_are_said_not_to_be_there(tmp_path):
    few = annotated(tmp_path / "few.h5", np.ones((9, 3)))
    tables = {name: tmp_path / f"{name}.csv" for name in ("sets", "pairs", "together", "along")}
    compare_attributes({"few": few}, [], [], 100, tables)
    plot_attributes(tables["sets"], tmp_path / "a.svg", tmp_path / "a.csv")
    plot_attribute_heat(tables["sets"], tmp_path / "h.svg", tmp_path / "h.csv")
    plot_attribute_divergence(tables["pairs"], tmp_path / "d.svg", tmp_path / "d.csv")
    over_m = {"title": "g", "facesets": ["few"], "m": [0.0]}
    plot_attribute_curves(tables["sets"], tables["along"], tmp_path / "c.svg", tmp_path / "c.csv", series=[over_m])
    assert all((tmp_path / f"{name}.svg").read_text().endswith("</svg>\n") for name in "ahdc")

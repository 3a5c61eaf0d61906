"""Every figure: drawn from artifacts, true to them in its CSV, the same bytes each time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semihard.artifacts import read_artifact, write_artifact
from semihard.faceset import FaceSet, FaceSetWriter
from semihard.figures.audits import plot_attributes, plot_diversity, plot_leakage
from semihard.figures.sheets import plot_sample_sheet, plot_similarity_ladder
from semihard.figures.similarity import plot_bins, plot_calibration, plot_similarity_histogram
from semihard.figures.style import looks, shared_bins
from semihard.figures.training import plot_training_curves
from semihard.figures.verification import plot_roc
from semihard.verification import squared_distances, verify

M = np.linspace(-1, 1, 11)


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


def calibration(path: Path, inquiries: int = 3, per_m: int = 60, size: int = 112) -> Path:
    rng = np.random.default_rng(4)
    similarity = 0.75 * M[:, None] + 0.1 + rng.normal(0, 0.07 + 0.05 * (1 - M[:, None] ** 2), (len(M), per_m))
    images = np.stack([faces(np.arange(inquiries) + 10 * abs(round(10 * (1 - m))), size, 3) for m in M])
    data = {"m": M, "similarity": np.clip(similarity, -1, 1), "images": images}
    write_artifact(path, "calibration", data | {"inquiry_images": faces(np.arange(inquiries), size, 3)})
    return path


def centers(path: Path, mean: float, sd: float, identities: int = 60, images: int = 40) -> Path:
    rng = np.random.default_rng(round(100 * mean))
    similarity = np.clip(rng.normal(mean, sd, identities * images), -1, 1).astype(np.float32)
    similarity[:3] = np.nan
    names = [f"p{k}" for k in range(identities)]
    data = {"center": np.eye(identities), "identity_names": names, "count": np.full(identities, images)}
    write_artifact(path, "centers", data | {"similarity": similarity})
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
    write_artifact(path, "bins", data)
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
    write_artifact(path, "history", {"step": steps} | data)
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
    write_artifact(path, "verification", data)
    return path


def comparison(path: Path, shift: float, seed: int) -> Path:
    names = (
        "Male Young Senior Smiling Eyeglasses Mustache Wearing_Hat Black_Hair Blond_Hair Bald Bangs Big_Nose".split()
    )
    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, len(names))
    q = np.clip(p * (1 - shift) + 0.04 * np.random.default_rng(seed).normal(size=len(names)), 0.003, 0.97)
    table = pd.DataFrame({"attribute": names, "real_prevalence": p, "synthetic_prevalence": q})
    kl = [(a * np.log2(a / b) + (1 - a) * np.log2((1 - a) / (1 - b))) for a, b in ((q, p), (p, q))]
    table["bits_synthetic_coded_as_real"], table["bits_real_coded_as_synthetic"] = kl
    table["held_out_accuracy"] = rng.uniform(0.7, 0.97, len(names))
    table.to_csv(path, index=False)
    return path


def leakage(path: Path, mean: float) -> Path:
    rng = np.random.default_rng(round(100 * mean))
    nearest = np.clip(rng.normal(mean, 0.07, 4000), -1, 1).astype(np.float32)
    data = {"nearest_index": rng.integers(0, 9000, 4000), "nearest_similarity": nearest, "threshold": 0.42}
    write_artifact(path, "leakage", data, attrs={"matching": float((nearest > 0.42).mean()), "matching_real": 0.0312})
    return path


def diversity(path: Path, genuine: float) -> Path:
    rng = np.random.default_rng(round(100 * genuine))
    data = {
        "name": ["identities", "consistency", "uniqueness", "equal_error_rate", "d_prime"],
        "value": [500, genuine + 0.3, 0.93, 0.08 - 0.05 * genuine, 8 * genuine],
        "genuine": np.clip(rng.normal(genuine, 0.13, 20_000), -1, 1),
        "impostor": np.clip(rng.normal(0.03, 0.09, 20_000), -1, 1),
    }
    write_artifact(path, "diversity", data)
    return path


def draw_all(folder: Path, kind: str = "svg") -> dict[str, tuple[Path, Path]]:
    """Every figure from fresh example artifacts, in `folder`: name → picture, CSV."""
    made = folder / "artifacts"
    made.mkdir(parents=True, exist_ok=True)
    for name, mean, sd in (("casia", 0.62, 0.14), ("cemiface_m0", 0.41, 0.1), ("dcface", 0.55, 0.08)):
        centers(made / f"centers_{name}.h5", mean, sd)
    with_centers = {name: made / f"centers_{name}.h5" for name in ("casia", "cemiface_m0", "dcface")}
    similarity = read_artifact(with_centers["casia"], "centers")["similarity"]
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
    compared = {"cemiface_m0": comparison(made / "a0.csv", 0.3, 1), "dcface": comparison(made / "a1.csv", 0.6, 2)}
    leaks = {name: leakage(made / f"l{name}.h5", mean) for name, mean in (("cemiface_m0", 0.31), ("dcface", 0.36))}
    measured = {
        name: diversity(made / f"d{name}.h5", g) for name, g in (("casia", 0.5), ("cemiface_m0", 0.35), ("dcface", 0.6))
    }
    paths = {
        name: (folder / f"{name}.{'png' if name in ('samples', 'ladder') else kind}", folder / f"{name}.csv")
        for name in "samples ladder calibration histogram bins training roc attributes leakage diversity".split()
    }
    plot_sample_sheet(made / "faces.h5", *paths["samples"])
    plot_similarity_ladder(made / "calibration.h5", *paths["ladder"])
    plot_calibration(made / "calibration.h5", *paths["calibration"])
    plot_similarity_histogram(with_centers, *paths["histogram"], real="casia")
    plot_bins(made / "bins.h5", with_centers["casia"], *paths["bins"])
    plot_training_curves(histories, *paths["training"], real="casia")
    plot_roc(rocs, *paths["roc"], real="casia")
    plot_attributes(compared, *paths["attributes"])
    plot_leakage(leaks, *paths["leakage"])
    plot_diversity(measured, *paths["diversity"])
    return paths

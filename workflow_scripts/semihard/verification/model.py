"""A model on a benchmark: embed its images once, then verify its pairs."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.recognizer.model_file import identities_of
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.embedding import embed_blocks
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification.ijb_templates import verify_templates
from semihard.verification.protocol import (
    auc,
    d_prime,
    equal_error_rate,
    squared_distances,
    tar_at_far,
    verify,
    wilson_interval,
)

log = logging.getLogger("semihard")
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)


def verify_faces(
    faces_path: Path | str,
    pairs_path: Path | str,
    model_path: Path | str,
    output: Path | str,
    provenance: Provenance | None = None,
    flip: bool = True,
    thresholds: Literal["grid", "exact"] = "grid",
) -> None:
    """Embed every image of a benchmark once and verify its pairs: of images here, of templates in `verify_templates`.

    pairs_path: artifact "benchmark" → writes "verification"; where the face set has a column `template`,
    "template_pairs" → "template_verification". flip: features of image and mirror image summed, as insightface does;
    thresholds: see `verify`. Raises InputError where the images have other proportions than the network's, a pair
    names an image or template that is not there, or an embedding is not finite.
    """
    faces = FaceSet(faces_path)
    if thresholds not in ("grid", "exact"):
        raise InputError(f"thresholds {thresholds!r} are not known; expected grid or exact")
    device = best_device()
    embedder = load_embedder(model_path, device)
    embedder.spec.check_proportions(faces.image_size, faces.path, model_path)
    features = _features(faces, embedder, flip)
    if "template" in faces.column_names:
        verify_templates(faces, features, pairs_path, output, device, provenance, {"flip": flip})
        return
    data = _verified(faces, features, pairs_path, thresholds)
    attrs = measures(**data) | {"flip": flip, "thresholds": thresholds, "shared_identities": shared(faces, model_path)}
    write_artifact(output, schemas.VERIFICATION, data, provenance, attrs)


def shared(faces: FaceSet, model_path: Path | str) -> int:
    """How many of a benchmark's identities a recognizer was trained on, by name: said, as they are not unseen people."""
    both = set(faces.identity_names) & set(identities_of(model_path))
    if both:
        log.warning(
            "%s: %d of its %d identities (%r for one) are in the training set of %s: what is verified on them is no result",
            faces.path, len(both), len(faces.identity_names), min(both), model_path,
        )  # fmt: skip
    return len(both)


def verify_epochs(
    faces_path: Path | str,
    pairs_path: Path | str,
    epochs_path: Path | str,
    output: Path | str,
    thresholds: Literal["grid", "exact"] = "grid",
    provenance: Provenance | None = None,
) -> None:
    """Verify every epoch that a training kept, `epoch012.safetensors` and so on in the folder `epochs_path`.

    Writes the artifact "epochs": accuracy per epoch and fold, as `verify_faces` finds it. Raises InputError as that does,
    and where the folder holds no epoch.
    """
    models = sorted(Path(epochs_path).glob("epoch*.safetensors"))
    if not models:
        raise InputError(f"{epochs_path}: holds no epoch; train the recognizer again with keep_every above 0")
    faces, device, accuracy = FaceSet(faces_path), best_device(), []
    for model in models:
        embedder = load_embedder(model, device)
        embedder.spec.check_proportions(faces.image_size, faces.path, model)
        features = _features(faces, embedder, flip=True)
        accuracy.append(_verified(faces, features, pairs_path, thresholds)["accuracy"])
    data = {"epoch": [int(re.sub(r"\D", "", model.stem)) for model in models], "accuracy": np.stack(accuracy)}
    write_artifact(output, schemas.EPOCHS, data, provenance)


def measures(
    distance: np.ndarray, same: np.ndarray, fold: np.ndarray, accuracy: np.ndarray, threshold: np.ndarray
) -> dict[str, float]:
    """The attributes of a verification, rates as shares of 1; its datasets are the arguments (docs/artifacts.md).

    accuracy_mean, accuracy_std (population, over folds); accuracy_low, accuracy_high: 95 % Wilson interval of the share
    of all pairs judged rightly; auc; equal_error_rate; d_prime; tar_at_far_0.1 … tar_at_far_0.0001, NaN where one
    impostor pair is more.
    """
    right = np.count_nonzero((distance < threshold[fold]) == same)
    low, high = wilson_interval(right, len(same))
    results = {
        "accuracy_mean": float(accuracy.mean()),
        "accuracy_std": float(accuracy.std()),
        "accuracy_low": low,
        "accuracy_high": high,
        "auc": auc(distance, same),
        "equal_error_rate": equal_error_rate(distance, same),
        "d_prime": d_prime(distance[same], distance[~same]),
    }
    rates = tar_at_far(distance, same, FALSE_ACCEPT_RATES)
    return results | {f"tar_at_far_{far:g}": float(tar) for far, tar in zip(FALSE_ACCEPT_RATES, rates, strict=True)}


def _verified(
    faces: FaceSet, features: Iterator[tuple[slice, torch.Tensor]], pairs_path: Path | str, thresholds: str
) -> dict[str, np.ndarray]:
    """The datasets of the artifact "verification"."""
    pairs = read_artifact(pairs_path, schemas.BENCHMARK)
    if max(pairs["first"].max(), pairs["second"].max()) >= len(faces):
        raise InputError(f"{pairs_path}: a pair names an image beyond the {len(faces)} of {faces.path}")
    embedding = torch.cat([block for _, block in features]).numpy()
    distance = squared_distances(embedding, pairs["first"], pairs["second"])
    result = verify(distance, pairs["same"], pairs["fold"], thresholds)
    data = {"distance": distance, "same": pairs["same"], "fold": pairs["fold"]}
    return data | {"accuracy": result.accuracy, "threshold": result.threshold}


def _features(faces: FaceSet, embedder: Embedder, flip: bool) -> Iterator[tuple[slice, torch.Tensor]]:
    with progress(f"embed {faces.path.stem}", len(faces), "images") as advance:
        for rows, features in embed_blocks(faces, list(faces.blocks()), embedder, flip):
            yield rows, features
            advance(rows.stop - rows.start)

"""Similarity bins: images from most to least similar to their identity's center (CemiFace, NeurIPS 2024, Sec. 3.1)."""

import logging
from pathlib import Path

import numpy as np

from semihard.errors import InputError, UnmeasurableError
from semihard.settings.binning import parse_binning
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSet, copy_faces
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


def quantile_bins(similarity: np.ndarray, identity: np.ndarray, bins: int) -> np.ndarray:
    """Equal bins of every identity by the rank of its images: int32 `[N]`, 0 = most similar, −1 where unlabelled.

    similarity: `[N]`; identity: int `[N]`, −1 = in no bin. Of equally similar images the earlier comes first. With n
    images of an identity, rank r falls into bin floor(r·bins/n): sizes differ by one at most (CemiFace Table 9: the
    split is per identity).
    """
    order = np.lexsort((-similarity, identity))  # stable: ties keep their order
    owner = identity[order]
    count = np.bincount(owner + 1)[owner + 1]
    rank = np.arange(len(order)) - np.searchsorted(owner, owner)
    bin_ = np.empty(len(order), np.int32)
    bin_[order] = np.where(owner >= 0, rank * bins // count, -1)
    return bin_


def threshold_bins(similarity: np.ndarray, thresholds: list[float]) -> np.ndarray:
    """Bins between global thresholds: int32 `[N]`, 0 = at or above the highest, −1 where the similarity is NaN."""
    reached = np.searchsorted(np.sort(thresholds), similarity, side="right")
    return np.where(np.isnan(similarity), -1, len(thresholds) - reached).astype(np.int32)


def bin_similarity(
    centers_path: Path | str,
    faces_path: Path | str,
    binning: str,
    output: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the artifact "bins": the bin of every image and CemiFace's Table 9 statistics of each bin.

    binning: "quantile-5", five equal bins per identity by rank, or "threshold-0.3-0.6", global thresholds (three bins).
    Identities with fewer images that have a similarity than there are quantile bins are in none, which is logged; a bin
    without images has the mean NaN. Raises UnmeasurableError where no image falls into any.
    """
    faces = FaceSet(faces_path)
    similarity = _similarity(centers_path, faces)
    kind, numbers = parse_binning(binning)
    if kind == "quantile":
        bins = int(numbers[0])
        measured = np.where(np.isnan(similarity), -1, faces.identity)
        images = np.bincount(measured[measured >= 0], minlength=len(faces.identity_names))
        if few := int((images < bins).sum()):
            log.warning(
                "%s: %d of %d identities have fewer images than %s has bins: left out",
                faces_path,
                few,
                len(images),
                binning,
            )
            measured = np.where((images < bins)[measured], -1, measured)
        bin_ = quantile_bins(similarity, measured, bins)
    else:
        bins = len(numbers) + 1
        bin_ = threshold_bins(similarity, numbers)
    chosen = bin_ >= 0
    count = np.bincount(bin_[chosen], minlength=bins)
    if not chosen.any():
        least = (
            "as many images as bins" if kind == "quantile" else "two images, of one there is no similarity to its mean"
        )
        raise UnmeasurableError(f"{faces_path}: no image falls into a bin of {binning}; identities need {least}")
    total = np.bincount(bin_[chosen], similarity[chosen].astype(np.float64), bins)
    highest, lowest = _extremes(similarity[chosen], faces.identity[chosen], bin_[chosen], bins)
    data = {
        "bin": bin_,
        "mean_similarity": total / np.where(count, count, np.nan),
        "highest": highest,
        "lowest": lowest,
        "count": count,
    }
    write_artifact(output, schemas.BINS, data, provenance, {"binning": binning})


def extract_bin(
    faces_path: Path | str,
    bins_path: Path | str,
    centers_path: Path | str,
    bin: int,
    output: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the faces of one bin as a face set with the column `similarity`.

    Raises InputError where there is no such bin or the artifacts belong to another face set.
    """
    faces = FaceSet(faces_path)
    similarity = _similarity(centers_path, faces)
    bins = read_artifact(bins_path, schemas.BINS)
    if len(bins["bin"]) != len(faces):
        raise InputError(f"{bins_path}: is of {len(bins['bin'])} images, {faces_path} has {len(faces)}")
    if not 0 <= bin < len(bins["count"]):
        raise InputError(
            f"{bins_path}: has no bin {bin}; its bins are 0 … {len(bins['count']) - 1}, 0 the most similar"
        )
    indices = np.flatnonzero(bins["bin"] == bin)
    if not len(indices):
        raise InputError(
            f"{bins_path}: bin {bin} has no image; choose other bins, or a face set with more images of each"
        )
    copy_faces(faces, indices, output, provenance or Provenance(), {"similarity": similarity[indices]})


def _similarity(centers_path: Path | str, faces: FaceSet) -> np.ndarray:
    similarity = read_artifact(centers_path, schemas.CENTERS)["similarity"]
    if len(similarity) != len(faces):
        raise InputError(f"{centers_path}: is of {len(similarity)} images, {faces.path} has {len(faces)}")
    return similarity


def _extremes(
    similarity: np.ndarray, identity: np.ndarray, bin_: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Highest and lowest similarity per bin, averaged over the identities that are in it: float64 `[bins]` each."""
    order = np.lexsort((similarity, identity, bin_))
    key = np.stack([bin_[order], identity[order]])
    first = np.flatnonzero(np.r_[True, (key[:, 1:] != key[:, :-1]).any(0)])
    last = np.r_[first[1:], len(order)] - 1
    group, members = key[0, first], np.bincount(key[0, first], minlength=bins)
    ranges = [
        np.bincount(group, similarity[order[i]].astype(np.float64), bins) / np.where(members, members, np.nan)
        for i in (last, first)
    ]
    return ranges[0], ranges[1]

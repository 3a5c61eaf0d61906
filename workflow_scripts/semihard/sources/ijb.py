"""IJB-B and IJB-C as insightface distributes them: loose crops, five points of each, templates, and pairs of templates.

    loose_crop/1.jpg ...                crops around a face, wider than an aligned one
    meta/ijbc_face_tid_mid.txt          image template media: a medium is a photograph or a video, a template a set of both
    meta/ijbc_name_5pts_score.txt       image, x and y of five points, detector score: a line for each line of the above
    meta/ijbc_template_pair_label.txt   template template 1|0

A template is what one compares: everything there is of a person at one occasion.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semihard.errors import InputError
from semihard.sources.alignment import ARCFACE_112, similarity_transform, warp
from semihard.sources.face import Face
from semihard.storage.pixels import decode_image

SIZE = (112, 112)
NAMED_AT_MOST = 5
TEMPLATES = np.dtype([("image", object), ("template", np.int64), ("media", np.int64)])
POINTS = np.dtype([("image", object), ("points", np.float32, (5, 2)), ("score", np.float32)])
PAIRS = np.dtype([("first", np.int64), ("second", np.int64), ("same", np.int64)])


@dataclass(frozen=True, slots=True)
class TemplateImages:
    """A benchmark of templates.

    faces: aligned faces, made as they are asked for; template, media: int64 `[N]` and score: float32 `[N]`, of the
    detector, one per face; first, second: int64 `[P]`, templates, and same: bool `[P]`, True for a genuine pair.
    """

    faces: Iterator[Face]
    template: np.ndarray
    media: np.ndarray
    score: np.ndarray
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


def read_ijb(folder: Path | str, name: Literal["ijbb", "ijbc"]) -> TemplateImages:
    """The benchmark in a folder with `loose_crop` and `meta`; memory holds the lists and one image.

    Every crop is warped to the ArcFace template at 112 pixels by its five points; identities are unknown. All lists are
    checked before this returns: InputError tells which file is missing or which line is wrong, how many images are
    missing, and which template of a pair has none. An unreadable image raises InputError when its turn comes.
    """
    folder = Path(folder)
    crops, meta = folder / "loose_crop", folder / "meta"
    if not crops.is_dir():
        raise InputError(f"{crops} is no folder: give the folder that holds loose_crop and meta of {name.upper()}")
    templates_txt, points_txt, pairs_txt = (
        meta / f"{name}_{what}.txt" for what in ("face_tid_mid", "name_5pts_score", "template_pair_label")
    )
    templates = _read_table(templates_txt, TEMPLATES, "an image, its template and its medium")
    points = _read_table(points_txt, POINTS, "an image, ten coordinates and a detector score")
    pairs = _read_table(pairs_txt, PAIRS, "two templates and 1 or 0")
    _check_same_images(templates["image"], points["image"], templates_txt, points_txt)
    unscored = np.flatnonzero(~np.isfinite(points["score"]))
    if len(unscored):
        raise InputError(f"{points_txt}: the score of image {points['image'][unscored[0]]} is no number")
    _check_pairs(pairs, templates["template"], pairs_txt)
    _check_images(crops, templates["image"], templates_txt)
    return TemplateImages(
        _faces(crops, points["image"], points["points"], points_txt),
        templates["template"],
        templates["media"],
        points["score"],
        pairs["first"],
        pairs["second"],
        pairs["same"] == 1,
    )


def _faces(crops: Path, names: np.ndarray, landmarks: np.ndarray, points_txt: Path) -> Iterator[Face]:
    for number, (name, points) in enumerate(zip(names, landmarks, strict=True), 1):
        try:
            image = decode_image((crops / name).read_bytes())
        except ValueError as error:
            raise InputError(f"{crops / name} is no readable image ({error}): get the benchmark again") from None
        try:
            matrix = similarity_transform(points, ARCFACE_112)
        except ValueError as error:
            raise InputError(f"{points_txt}: line {number}, {name}: {error}") from None
        yield Face(warp(image, matrix, SIZE), "", name)


def _read_table(path: Path, row: np.dtype, expected: str) -> np.ndarray:
    """The lines of a text file, a structured array `[lines]`. Raises InputError naming the line that is not `expected`."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: the benchmark's meta folder comes with it")
    line = 0

    def lines() -> Iterator[str]:
        nonlocal line  # numpy's own numbers leave blank lines out
        with path.open(encoding="utf-8", errors="replace") as file:
            for line, text in enumerate(file, 1):  # noqa: B007
                yield text

    try:
        with warnings.catch_warnings(action="ignore"):  # of a file without lines
            table = np.loadtxt(lines(), row, comments=None, ndmin=1)
    except ValueError:
        raise InputError(f"{path}: line {line} is not {expected}: get the benchmark again") from None
    if not len(table):
        raise InputError(f"{path} is empty: expected lines of {expected}")
    return table


def _check_same_images(images: np.ndarray, others: np.ndarray, path: Path, other_path: Path) -> None:
    if len(images) != len(others):
        raise InputError(
            f"{other_path} has {len(others)} lines and {path.name} has {len(images)}: expected one for each image; "
            "get the benchmark again"
        )
    differing = np.flatnonzero(images != others)
    if len(differing):
        line = differing[0]
        raise InputError(
            f"{other_path}: line {line + 1} is of image {others[line]}, that of {path.name} of {images[line]}: "
            "expected the same images in the same order"
        )


def _check_pairs(pairs: np.ndarray, templates: np.ndarray, path: Path) -> None:
    wrong = np.flatnonzero((pairs["same"] != 0) & (pairs["same"] != 1))
    if len(wrong):
        raise InputError(
            f"{path}: line {wrong[0] + 1} ends in {pairs['same'][wrong[0]]}, expected 1 for a genuine pair or 0"
        )
    known = np.unique(templates)
    for side in ("first", "second"):
        unknown = np.flatnonzero(~np.isin(pairs[side], known))
        if len(unknown):
            raise InputError(
                f"{path}: line {unknown[0] + 1} names template {pairs[side][unknown[0]]}, which has no image: "
                "the lists belong to different benchmarks or are incomplete"
            )


def _check_images(crops: Path, names: np.ndarray, path: Path) -> None:
    present = {file.name for file in crops.iterdir()}
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"{crops} lacks {len(missing)} of the {len(names)} images in {path.name}: "
            f"{', '.join(missing[:NAMED_AT_MOST])}{', ...' if len(missing) > NAMED_AT_MOST else ''}; leaving images out "
            "would change the score, so complete the folder"
        )

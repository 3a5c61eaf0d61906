"""Verification pairs: the record every benchmark becomes, and LFW's form of it, `pairs.txt` and a folder of images.

10<tab>300                         folds, and the genuine and impostor pairs in each; or a single count
Abel_Pacheco<tab>1<tab>4           genuine: Abel_Pacheco/Abel_Pacheco_0001.jpg and ..._0004.jpg
Robert_Downey_Jr<tab>1<tab>Tom_Hanks<tab>2
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.sources.alignment import FaceAligner, center_crop, read_photo
from semihard.sources.face import Face
from semihard.sources.folder import read_aligned
from semihard.sources.text_file import name_within, path_within, read_lines

FOLDS = 10
SUFFIXES = (".jpg", ".png")
NAMED_AT_MOST = 5
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PairImages:
    """A verification benchmark: every image once, and pairs of them.

    first, second: int64 `[pairs]`, indices into `faces`; same: bool `[pairs]`, True for a genuine pair; fold: int32
    `[pairs]`; center_cropped: keys of the photographs in which no face was found and the center was taken instead.
    """

    faces: list[Face]
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    center_cropped: tuple[str, ...] = ()


def contiguous_folds(pairs: int, origin: object, folds: int = FOLDS) -> np.ndarray:
    """The fold of each pair, int32 `[pairs]`: `folds` equal blocks in order, the field's protocol.

    Raises InputError, naming `origin`, where the pairs do not divide into them.
    """
    if pairs < folds or pairs % folds:
        raise InputError(
            f"{origin} has {pairs} pairs, which do not divide into {folds} folds: get a complete file, or say how many "
            "folds it has"
        )
    return np.repeat(np.arange(folds, dtype=np.int32), pairs // folds)


def warn_of_one_kind(same: np.ndarray, fold: np.ndarray, origin: object) -> None:
    """Warn where a fold has pairs of one kind only: its threshold is then chosen on unlike pairs."""
    share = np.bincount(fold, same) / np.bincount(fold)
    one_kind = np.flatnonzero((share == 0) | (share == 1))
    if len(one_kind):
        logger.warning(
            "%s: fold %d has %s pairs only (%d of %d folds have one kind), and thresholds chosen on the others will not suit "
            "it; are these the file's folds?", origin, one_kind[0], "genuine" if share[one_kind[0]] else "impostor",
            len(one_kind), len(share),
        )  # fmt: skip


def parse_pairs(pairs_txt: Path | str) -> tuple[list[tuple[str, int]], np.ndarray, np.ndarray, np.ndarray]:
    """The images and the pairs of an LFW list.

    Returns the images as (name, number), 2 * pairs of them in the list's order, repetitions included; same, bool
    `[pairs]`; fold, int32 `[pairs]`: the list's own folds if its first line states them, else `contiguous_folds`.
    Raises InputError naming the line that is no pair, or a first line that promises another number of pairs.
    """
    path = Path(pairs_txt)
    if not path.is_file():
        raise InputError(f"{path} does not exist: give the list of pairs, LFW's is named pairs.txt")
    lines = [line.split("\t" if "\t" in line else None) for line in read_lines(path)]
    counts = lines[0] if lines and len(lines[0]) <= 2 else []
    header = [int(count) for count in counts] if all(count.strip().isdecimal() for count in counts) else []
    images: list[tuple[str, int]] = []
    same: list[bool] = []
    for number, fields in enumerate(lines[bool(header) :], 1 + bool(header)):
        fields = [field.strip() for field in fields]
        match fields:
            case []:
                continue
            case [name, first, second] if first.isdecimal() and second.isdecimal():
                images += [(name, int(first)), (name, int(second))]
            case [name, first, other, second] if first.isdecimal() and second.isdecimal():
                images += [(name, int(first)), (other, int(second))]
            case _:
                raise InputError(f"{path}: line {number} is no pair: expected `name i j` or `name1 i name2 j`")
        if images[-1] == images[-2] or (len(fields) == 4 and fields[0] == fields[2]):
            what = (
                "a photograph and itself"
                if images[-1] == images[-2]
                else "two photographs of one person as an impostor pair"
            )
            raise InputError(f"{path}: line {number} pairs {what}: get the official list, or correct the line")
        same.append(len(fields) == 3)
    promised = 2 * math.prod(header)
    if header and len(same) != promised and [len(same)] != header:
        raise InputError(
            f"{path}: its first line promises {promised} pairs but {len(same)} follow: get a complete list"
        )
    if len(header) == 2:
        check_blocks(np.array(same), header, path)
        fold = np.repeat(np.arange(header[0], dtype=np.int32), 2 * header[1])
    else:
        fold = contiguous_folds(len(same), path)
    return images, np.array(same), fold


def check_blocks(same: np.ndarray, header: list[int], path: Path) -> None:
    """Raises InputError unless every fold of the list has as many genuine pairs, then as many impostor pairs, as its first
    line says: else the folds would not be the list's own."""
    folds, each = header
    blocks = same.reshape(folds, 2, each)
    wrong = np.flatnonzero(~blocks[:, 0].all(1) | blocks[:, 1].any(1))
    if len(wrong):
        raise InputError(
            f"{path}: its first line promises {folds} folds of {each} genuine and {each} impostor pairs, fold {wrong[0] + 1} "
            "has others: the first line is another list's, or the order was changed; get the official list"
        )


def read_pairs(
    pairs_txt: Path | str, folder: Path | str, aligner: FaceAligner | None = None, folds: Sequence[int] = ()
) -> PairImages:
    """The benchmark of an LFW list whose images lie at `folder/name/name_0001.jpg` (or .png).

    Without an aligner the images are taken as aligned and keep their bytes. With one, photographs without a detected
    face get the center crop, since the protocol leaves no pair out; they are listed and a warning says how many.
    folds: which of the list's folds to take, counted from 1; all where none is named.
    Raises InputError for missing images, with their number and the first few, and for unreadable ones.
    """
    folder = Path(folder)
    images, same, fold = parse_pairs(pairs_txt)
    if folds:
        unknown = set(folds) - set((np.unique(fold) + 1).tolist())
        if unknown:
            raise InputError(f"{pairs_txt} has {fold.max() + 1} folds: fold {min(unknown)} is none of them")
        kept = np.isin(fold, np.array(folds) - 1)
        images = [image for image, keep in zip(images, np.repeat(kept, 2), strict=True) if keep]
        same, fold = same[kept], np.unique(fold[kept], return_inverse=True)[1].astype(np.int32)
    paths = {image: _find_image(folder, *image) for image in dict.fromkeys(images)}
    names = {image: f"{image[0]}/{image[0]}_{image[1]:04d}.jpg" for image in paths}
    check_complete([names[image] for image, path in paths.items() if path is None], len(paths), folder, pairs_txt)
    faces, center_cropped = load_faces(folder, list(paths.values()), [name for name, _ in paths], aligner)
    place = {image: index for index, image in enumerate(paths)}
    index = np.array([place[image] for image in images], np.int64).reshape(-1, 2)
    return PairImages(faces, index[:, 0], index[:, 1], same, fold, center_cropped)


def check_complete(missing: list[str], count: int, folder: Path, listed_in: object) -> None:
    """Raises InputError where images are missing, with their number and the first few; count: of all images."""
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} of the {count} images in {listed_in}: "
            f"{', '.join(missing[:NAMED_AT_MOST])}{', ...' if len(missing) > NAMED_AT_MOST else ''}; leaving pairs out "
            "would change the score, so complete the folder"
        )


def load_faces(
    folder: Path, paths: list[Path], identities: list[str], aligner: FaceAligner | None
) -> tuple[list[Face], tuple[str, ...]]:
    """The faces of photographs in `folder`, keyed by their paths within it, and the keys of those in which none was found."""
    center_cropped: list[str] = []
    contents = _aligned(paths, folder, aligner, center_cropped)
    faces = [
        Face(content, identity, name_within(path, folder))
        for content, identity, path in zip(contents, identities, paths, strict=True)
    ]
    if center_cropped:
        logger.warning(
            "%s: no face found in %d of %d photographs: their center is taken", folder, len(center_cropped), len(faces)
        )
    return faces, tuple(center_cropped)


def _find_image(folder: Path, name: str, number: int) -> Path | None:
    candidates = (path_within(folder, f"{name}/{name}_{number:04d}{suffix}") for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _aligned(
    paths: list[Path], folder: Path, aligner: FaceAligner | None, center_cropped: list[str]
) -> Iterator[bytes | np.ndarray]:
    """Each path's face; keys of those the aligner found no face in are appended to `center_cropped`."""
    if aligner is None:
        yield from read_aligned(paths)
        return
    for path, crop in aligner.align_files(paths):
        if crop is None:
            center_cropped.append(name_within(path, folder))
            crop = center_crop(read_photo(path), aligner.size)
        yield crop

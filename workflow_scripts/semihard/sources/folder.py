"""A folder of images, `root/<identity>/<image>`: aligned already, or photographs to align."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from semihard.alignment import FaceAligner
from semihard.errors import InputError
from semihard.pixels import decode_image
from semihard.sources import Face

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
KEPT_AS_THEY_ARE = (b"\xff\xd8", b"\x89PNG")


def read_aligned(paths: Iterable[Path]) -> Iterator[bytes | np.ndarray]:
    """Aligned faces from image files: the bytes of JPEG and PNG files, uint8 RGB `[h, w, 3]` of other formats.

    Raises InputError naming a file that is no readable image, or whose size differs from the first one's.
    """
    first: tuple[Path, tuple[int, ...]] | None = None
    for path in paths:
        blob = path.read_bytes()
        try:
            image = decode_image(blob)
        except ValueError as error:
            raise InputError(f"{path} is no readable image ({error}): replace or remove it") from None
        first = first or (path, image.shape)
        if image.shape != first[1]:
            raise InputError(
                f"{path} has {image.shape[0]}x{image.shape[1]} pixels (height x width) but {first[0]} has "
                f"{first[1][0]}x{first[1][1]}: aligned faces have one size; for photographs set align: mtcnn"
            )
        yield blob if blob.startswith(KEPT_AS_THEY_ARE) else image


def read_folder(
    path: Path | str, aligner: FaceAligner | None = None, skipped: list[tuple[str, str]] | None = None
) -> Iterator[Face]:
    """The faces of `path/<identity>/<image>`, identities and images in lexicographic order; bounded memory.

    Without an aligner the images are taken as aligned and keep their bytes. With one, photographs without a face are
    left out; these and empty identity folders are appended to `skipped` as (key, reason). Hidden files and those that
    are no JPEG, PNG, BMP or WebP by name are not looked at. Raises InputError for a missing folder, one without
    identity folders or images, an unreadable image, and sizes that differ where nothing aligns them.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root} is no folder: give the folder that holds one folder of images per identity")
    identities = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not identities:
        raise InputError(f"{root} holds no identity folders: expected one folder of images per identity")
    skipped = [] if skipped is None else skipped
    images: list[Path] = []
    for identity in identities:
        found = sorted(
            file
            for file in (root / identity).iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
        images += found
        if not found:
            skipped.append((f"{identity}/", "no image in this folder"))
    if not images:
        raise InputError(f"{root}: no image in its {len(identities)} folders: expected root/<identity>/<image>.jpg")
    return _faces(root, images, aligner, skipped)


def _faces(
    root: Path, images: list[Path], aligner: FaceAligner | None, skipped: list[tuple[str, str]]
) -> Iterator[Face]:
    contents = aligner.align_files(images) if aligner else zip(images, read_aligned(images), strict=True)
    for path, content in contents:
        key = path.relative_to(root).as_posix()
        if content is None:
            skipped.append((key, "no face that fills a quarter of the photograph's shorter side"))
        else:
            yield Face(content, path.parent.name, key)

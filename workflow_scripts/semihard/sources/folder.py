"""A folder of images, `root/<identity>/<image>`: aligned already, or photographs to align; or grids of faces.

A grid is what torchvision's make_grid saves without padding, as IDiff-Face's sample.py does: square faces of one
identity row by row, the last row filled up with black; black ones are left out. Files may then also lie in `root`
itself, each an identity of its name without suffix, and come first. Faces go by their number in the grid, row by row
from 0, "7.png#3", and are uint8 RGB `[h, w, 3]`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.sources.alignment import FaceAligner, read_image_file, read_photo
from semihard.sources.face import Face
from semihard.sources.text_file import name_within
from semihard.storage.pixels import decode_image, upright

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
KEPT_AS_THEY_ARE = (b"\xff\xd8", b"\x89PNG")
UNREAD = "no JPEG, PNG, BMP or WebP by its name"
NO_FACE = "no face that fills a quarter of the photograph's shorter side"


def read_aligned(paths: Iterable[Path]) -> Iterator[bytes | np.ndarray]:
    """Aligned faces from image files: the bytes of JPEG and PNG files, uint8 RGB `[h, w, 3]` of other formats and of
    those that EXIF says to turn.

    Raises InputError naming a file that is no readable image, or whose size differs from the first one's.
    """
    first: tuple[Path, tuple[int, ...]] | None = None
    for path in paths:
        blob = read_image_file(path)
        try:
            stored, turned = decode_image(blob), upright(blob)
        except ValueError as error:
            raise InputError(f"{path} is no readable image ({error}): replace or remove it") from None
        image = stored if turned is None else turned
        first = first or (path, image.shape)
        if image.shape != first[1]:
            raise InputError(
                f"{path} has {image.shape[0]}x{image.shape[1]} pixels (height x width) but {first[0]} has "
                f"{first[1][0]}x{first[1][1]}: aligned faces have one size; for photographs set align: mtcnn"
            )
        yield blob if turned is None and blob.startswith(KEPT_AS_THEY_ARE) else image


def read_folder(
    path: Path | str,
    aligner: FaceAligner | None = None,
    skipped: list[tuple[str, str]] | None = None,
    tiles: int = 1,
    labelled: bool = True,
) -> Iterator[Face]:
    """The faces of `path/<identity>/<image>`, identities and images in lexicographic order; bounded memory. Not labelled:
    of `path/<image>`, then of `path/<folder>/<image>`, nobody's.

    Without an aligner the images are taken as aligned and keep their bytes. With one, photographs without a face are
    left out; these, empty identity folders and files that are no JPEG, PNG, BMP or WebP by name are appended to
    `skipped` as (key, reason). Hidden files are not looked at. Raises InputError for a missing folder, one without
    identity folders or images, an unreadable image, a file that is no grid of `tiles` faces in a row (1: each file is a
    face), a name that is not UTF-8, and sizes that differ where nothing aligns them.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root} is no folder: give the folder that holds one folder of images per identity")
    skipped = [] if skipped is None else skipped
    images = _images(root) if tiles > 1 or not labelled else []
    if not labelled:
        skipped += [(name_within(path, root), UNREAD) for path in _unread(root)]
    identities = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if labelled and not identities and not images:
        expected = f" or grids with {tiles} faces in a row" if tiles > 1 else ""
        hint = "; where nobody's names are known, set labelled: false" if _images(root) else ""
        raise InputError(
            f"{root} holds no identity folders: expected one folder of images per identity{expected}{hint}"
        )
    for identity in identities:
        of_identity = _images(root / identity)
        images += of_identity
        skipped += [(name_within(path, root), UNREAD) for path in _unread(root / identity)]
        if not of_identity:
            skipped.append((f"{name_within(root / identity, root)}/", "no image in this folder"))
    if not images and not labelled:
        raise InputError(f"{root} holds no image: expected some in it, or in folders in it")
    if not images:
        raise InputError(f"{root}: no image in its {len(identities)} folders: expected root/<identity>/<image>.jpg")
    for path in images:
        name_within(path, root)
    if tiles > 1:
        return _faces_of_grids(root, images, aligner, skipped, tiles, labelled)
    return _faces(root, images, aligner, skipped, labelled)


def is_image(name: str) -> bool:
    """True for the name of a file that is read."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if is_image(file.name))


def _unread(folder: Path) -> list[Path]:
    """The files that are not looked at: what a reader must be told of, a folder of HEIC photographs for one."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix.lower() not in SUFFIXES and not file.name.startswith(".")
    )


def _faces(
    root: Path, images: list[Path], aligner: FaceAligner | None, skipped: list[tuple[str, str]], labelled: bool
) -> Iterator[Face]:
    contents = aligner.align_files(images) if aligner else zip(images, read_aligned(images), strict=True)
    for path, content in contents:
        key = name_within(path, root)
        if content is None:
            skipped.append((key, NO_FACE))
        else:
            yield Face(content, key.split("/")[0] if labelled else "", key)


def _faces_of_grids(
    root: Path,
    images: list[Path],
    aligner: FaceAligner | None,
    skipped: list[tuple[str, str]],
    tiles: int,
    labelled: bool,
) -> Iterator[Face]:
    first: tuple[Path, int] | None = None
    for path in images:
        name = name_within(path, root)
        identity = name.removesuffix(path.suffix) if path.parent == root else name.split("/")[0]
        grid = _cut(path, tiles)
        side = grid.shape[1]
        first = first or (path, side)
        if not aligner and side != first[1]:
            raise InputError(
                f"{path} has faces of {side}x{side} pixels but {first[0]} of {first[1]}x{first[1]}: aligned faces have "
                "one size; for unaligned ones set align: mtcnn"
            )
        numbers = np.flatnonzero(grid.any((1, 2, 3)))
        faces = list(grid[numbers])
        for number, face in zip(numbers, aligner.align(faces) if aligner else faces, strict=True):
            key = f"{name}#{number}"
            if face is None:
                skipped.append((key, NO_FACE))
            else:
                yield Face(face, identity if labelled else "", key)


def _cut(path: Path, tiles: int) -> np.ndarray:
    """The faces of a grid row by row: uint8 RGB `[rows * tiles, side, side, 3]`, side = width / tiles."""
    image = read_photo(path)
    height, width, _ = image.shape
    side = width // tiles
    if width % tiles or height % side:
        raise InputError(
            f"{path} has {height}x{width} pixels (height x width), which is no grid of square faces, {tiles} in a row: "
            "set tiles to the number of faces in its rows"
        )
    return image.reshape(height // side, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)

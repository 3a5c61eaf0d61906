"""Faces of a folder of images, one subfolder per identity."""

from collections.abc import Iterator

from semihard.settings.paths import expand_path
from semihard.sources.alignment import FaceAligner
from semihard.sources.face import Face
from semihard.sources.folder import read_folder
from semihard.sources.settings import FolderFaces


def read(settings: FolderFaces, skipped: list[tuple[str, str]]) -> Iterator[Face]:
    """The faces that the entry names; skipped: takes the key of each photograph without a face, and why."""
    aligner = FaceAligner() if settings.align == "mtcnn" else None
    return read_folder(expand_path(settings.path), aligner, skipped, settings.tiles)

"""Faces of a folder of images, one subfolder per identity, or of an archive of one."""

from collections.abc import Iterator

from semihard.settings.paths import expand_path
from semihard.sources.alignment import FaceAligner
from semihard.sources.archive import unpacked
from semihard.sources.face import Face
from semihard.sources.folder import UNREAD, is_image, read_folder
from semihard.sources.settings import FolderFaces


def read(settings: FolderFaces, skipped: list[tuple[str, str]]) -> Iterator[Face]:
    """The faces that the entry names; skipped: takes the key of each photograph without a face, and why."""
    aligner = FaceAligner() if settings.align == "mtcnn" else None
    others: list[str] = []
    with unpacked(expand_path(settings.path), is_image, others) as folder:
        skipped += [(name, UNREAD) for name in others]
        yield from read_folder(folder, aligner, skipped, settings.tiles, settings.labelled)

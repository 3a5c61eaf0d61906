"""Faces of Vec2Face's LMDB."""

from collections.abc import Iterator

from semihard.settings.paths import expand_path
from semihard.sources.face import Face
from semihard.sources.lmdb_faces import read_lmdb
from semihard.sources.settings import LMDBFaces


def read(settings: LMDBFaces, skipped: list[tuple[str, str]]) -> Iterator[Face]:
    """The faces that the entry names, aligned already; none is skipped."""
    return read_lmdb(expand_path(settings.path), settings.label_gaps)

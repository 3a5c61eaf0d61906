"""LFW's own form: pairs.txt and a folder per person."""

from semihard.settings.paths import expand_path
from semihard.sources.alignment import FaceAligner
from semihard.sources.pairs import PairImages, read_pairs
from semihard.sources.settings import PairsBenchmark


def read(settings: PairsBenchmark) -> PairImages:
    """The images and pairs that the entry names."""
    aligner = FaceAligner() if settings.align == "mtcnn" else None
    return read_pairs(expand_path(settings.pairs), expand_path(settings.folder), aligner, settings.folds)

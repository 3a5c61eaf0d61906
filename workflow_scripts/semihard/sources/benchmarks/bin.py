"""Verification pairs in InsightFace's `.bin` form."""

from semihard.settings.paths import expand_path
from semihard.sources.benchmark_bin import read_bin
from semihard.sources.pairs import PairImages
from semihard.sources.settings import BinBenchmark


def read(settings: BinBenchmark) -> PairImages:
    """The images and pairs that the entry names."""
    return read_bin(expand_path(settings.path), settings.folds)

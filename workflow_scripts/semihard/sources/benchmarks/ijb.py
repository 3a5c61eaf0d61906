"""Pairs of templates, IJB-B's or IJB-C's."""

from semihard.settings.paths import expand_path
from semihard.sources.ijb import TemplateImages, read_ijb
from semihard.sources.settings import IJBBenchmark


def read(settings: IJBBenchmark) -> TemplateImages:
    """The images and pairs that the entry names."""
    return read_ijb(expand_path(settings.path), settings.name)

"""Every knob of a study: its name, default, unit and source. The one place for all four (docs/configuration.md is made from it).

A stage receives the model of its own entry only. Nothing here computes: a stage that reads its settings depends on
their values, which Snakemake tracks, not on these files.
"""

from semihard.settings.base import BINNING, Settings
from semihard.settings.benchmarks import BenchmarkEntry, BinBenchmark, IJBBenchmark, PairsBenchmark, RenderedBenchmark
from semihard.settings.embedders import EmbedderEntry, FacenetEmbedder, RecognizerEmbedder, WeightsEmbedder
from semihard.settings.facesets import (
    FaceSetEntry,
    FolderFaces,
    LMDBFaces,
    NegativeIdentity,
    RecordIOFaces,
    RenderedFaces,
    SampledFaces,
    SimilarityBinFaces,
    SubsetFaces,
    SyntheticFaces,
    UnconditionalFaces,
    UnionFaces,
)
from semihard.settings.generators import (
    NETWORKS,
    CemiFaceGenerator,
    DCFaceGenerator,
    Diffusion,
    GeneratorEntry,
    UnconditionalGenerator,
)
from semihard.settings.recognizers import RECIPES, DomainMixup, Recognizer
from semihard.settings.study import AttributeStudy, Comparison, Config, FidelityAudit, LeakageAudit, Reference, Study

__all__ = [
    "BINNING",
    "NETWORKS",
    "RECIPES",
    "AttributeStudy",
    "BenchmarkEntry",
    "BinBenchmark",
    "CemiFaceGenerator",
    "Comparison",
    "Config",
    "DCFaceGenerator",
    "Diffusion",
    "DomainMixup",
    "EmbedderEntry",
    "FaceSetEntry",
    "FacenetEmbedder",
    "FidelityAudit",
    "FolderFaces",
    "GeneratorEntry",
    "IJBBenchmark",
    "LMDBFaces",
    "LeakageAudit",
    "NegativeIdentity",
    "PairsBenchmark",
    "Recognizer",
    "RecognizerEmbedder",
    "RecordIOFaces",
    "Reference",
    "RenderedBenchmark",
    "RenderedFaces",
    "SampledFaces",
    "Settings",
    "SimilarityBinFaces",
    "Study",
    "SubsetFaces",
    "SyntheticFaces",
    "UnconditionalFaces",
    "UnconditionalGenerator",
    "UnionFaces",
    "WeightsEmbedder",
]

"""Verification benchmarks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from semihard.settings.base import ALIGN, LICENCE, SEED, Positive, Settings


class BinBenchmark(Settings):
    """Verification pairs in InsightFace's `.bin` form; read without trusting the pickle."""

    source: Literal["bin"]
    path: str = Field(description="The .bin file. `~` and environment variables are expanded.")
    folds: int = Field(
        10, ge=2, description="Its folds, equal blocks in order: ten in all official files, fewer in a part of one."
    )
    licence: str = LICENCE


class PairsBenchmark(Settings):
    """LFW's own form: pairs.txt and a folder per person."""

    source: Literal["pairs"]
    pairs: str = Field(description="pairs.txt.")
    folder: str = Field(description="The folder of name/name_0001.jpg.")
    folds: tuple[Positive, ...] = Field((), description="Which of its folds, counted from 1; all where not given.")
    align: Literal["none", "mtcnn"] = ALIGN
    licence: str = LICENCE


class IJBBenchmark(Settings):
    """Pairs of templates, IJB-B's or IJB-C's 1:1 protocol: true accept rates, no accuracy, so they don't enter AVG."""

    source: Literal["ijb"]
    path: str = Field(description="The folder that holds loose_crop and meta, as insightface distributes it.")
    name: Literal["ijbb", "ijbc"] = Field(description="Which of the two: how the files in meta begin.")
    licence: str = LICENCE


class RenderedBenchmark(Settings):
    """Pairs of rendered faces; take identities no training set has."""

    source: Literal["rendered"]
    identities: Positive = Field(100, description="Identities; each occurs in one fold only.")
    first_identity: int = Field(1_000_000, ge=0, description="Number of the first, far from every training set's.")
    pairs: Positive = Field(3000, description="Pairs, half of them genuine.")
    folds: int = Field(10, ge=2, description="Cross-validation folds.")
    image_size: Positive = Field(112, description="Side in pixels.")
    seed: int = SEED

    @model_validator(mode="after")
    def _folds(self) -> "RenderedBenchmark":
        if self.pairs % (2 * self.folds) or self.identities < 2 * self.folds:
            raise ValueError(
                f"{self.pairs} pairs must divide by twice the {self.folds} folds, and every fold needs two identities"
            )
        return self


BenchmarkEntry = Annotated[
    BinBenchmark | PairsBenchmark | IJBBenchmark | RenderedBenchmark, Field(discriminator="source")
]

"""What the models of all sections share."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", max_length=150)]  # it becomes a file's


@dataclass(frozen=True)
class Names:
    """Marks a knob whose value is the name of an entry of `section`."""

    section: str


@dataclass(frozen=True)
class UserFile:
    """Marks a knob whose value is the path of a file of the user's. expected: what should be there, where nothing is; part:
    what is read of a folder, which is that of a pipeline (storage.pipeline_folder)."""

    expected: str
    part: str = ""


@dataclass(frozen=True)
class OffByDefault:
    """Marks a knob that is younger than results are and, at its default, leaves all as it was: it is in no parameter of a
    rule then, as is one that is false, zero or empty."""


FaceSetName = Annotated[Name, Names("facesets")]
EmbedderName = Annotated[Name, Names("embedders")]
GeneratorName = Annotated[Name, Names("generators")]
RecognizerName = Annotated[Name, Names("recognizers")]
BenchmarkName = Annotated[Name, Names("benchmarks")]
ClassifierName = Annotated[Name, Names("attribute_classifiers")]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
CENTERS = ("class_weight", "mean")  # how the center of an identity is found
DRAWN_CENTERS = ("random", "pca", "vmf_mixture")  # centers of nobody: distributions that they are drawn from
Similarity = Annotated[float, Field(ge=-1, le=1)]
Positive = Annotated[int, Field(ge=1)]

PRECISION = Field(
    "auto",
    description=(
        "bf16 or fp16 autocast, fp32, or auto: bf16 where the device multiplies it faster, else fp32. fp16, with a scaled "
        "loss, is for GPUs before Ampere; auto does not take it by itself, as its range is small: a step whose gradient "
        "overflows is skipped, an activation that does ends the training."
    ),
)
COMPILE = Field(
    False, description="torch.compile, one to three minutes at first; goes on without, saying so, where it fails."
)
SEED = Field(0, ge=0, description="Seed of every random draw of this entry.")
SHA256 = Field(None, pattern=r"^[0-9a-f]{64}$", description="Refuse the file where its checksum is another.")
LICENCE = Field("", description="Licence of the data, carried along in every artifact made of it.")
GROUP = Field(
    "",
    description=(
        "The demographic group that all its pairs are of, as in RFW's four files: study.fairness compares the groups of "
        "the study's benchmarks."
    ),
)
ALIGN = Field(
    "none",
    description=(
        "none: images are aligned already. mtcnn: detect with facenet-pytorch's MTCNN and warp five points to "
        "the ArcFace template at 112 pixels."
    ),
)


def each_once(names: tuple[str, ...], why: str) -> tuple[str, ...]:
    """The names. Raises ValueError, ending in `why`, where one of them is there twice."""
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"names {twice[0]!r} twice; {why}")
    return names


class Settings(BaseModel):
    """An entry of the configuration, or a part of one. renamed: keys of earlier versions and what they are called now."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    renamed: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _keys_of_today(cls, entry: object) -> object:
        for old in cls.renamed if isinstance(entry, dict) else ():
            if old in entry:
                raise ValueError(f"the key {old!r} is called {cls.renamed[old]!r} now; rename it")
        return entry


class FaceSetSettings(Settings):
    """A face set of the configuration; each `source` has a model of its own. made_by: the rules that make it."""

    made_by: ClassVar[tuple[str, ...]]


class BenchmarkSettings(Settings):
    """A benchmark of the configuration; each `source` has a model of its own. made_by: the rules that make it;
    gives_accuracy: it has folds of pairs, and enters AVG."""

    made_by: ClassVar[tuple[str, ...]] = ("import_benchmark",)
    gives_accuracy: ClassVar[bool] = True


class EmbedderSettings(Settings):
    """An embedder of the configuration; each `source` has a model of its own. made_by: the rules that make it."""

    made_by: ClassVar[tuple[str, ...]] = ("import_embedder",)


class GeneratorSettings(Settings):
    """A generator of the configuration. made_by: the rules that make it."""

    made_by: ClassVar[tuple[str, ...]] = ("train_generator",)


class ClassifierSettings(Settings):
    """An attribute classifier of the configuration; each `source` has a model of its own. made_by: the rules that make it."""

    made_by: ClassVar[tuple[str, ...]]

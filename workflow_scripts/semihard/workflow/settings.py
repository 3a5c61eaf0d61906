"""What is compared with what, and the whole configuration, put together from the settings of every room."""

from types import ModuleType
from typing import Annotated, ClassVar, Literal, Union

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from semihard.attributes import settings as of_attributes
from semihard.attributes.settings import AttributeStudy
from semihard.audit.settings import FairnessAudit, FidelityAudit, LeakageAudit
from semihard.generator import settings as of_generator
from semihard.generator.file_entry import METHODS, FileGenerator
from semihard.recognizer.settings import Recognizer
from semihard.settings import registry
from semihard.settings.base import (
    CENTERS,
    BenchmarkName,
    BenchmarkSettings,
    ClassifierSettings,
    EmbedderName,
    EmbedderSettings,
    FaceSetName,
    FaceSetSettings,
    GeneratorName,
    Name,
    RecognizerName,
    Settings,
)
from semihard.settings.binning import BINNING
from semihard.settings.downloads import KNOWN, Download
from semihard.similarity import settings as of_similarity
from semihard.sources import settings as of_sources
from semihard.study_table.published import PUBLISHED

SOURCE = "source"
DEFAULT_METHOD = "cemiface"


def entries_of(kind: type[Settings], *rooms: ModuleType) -> object:
    """The union of a kind's models in the settings of `rooms`, told apart by `source`."""
    models = [
        item for room in rooms for item in vars(room).values() if isinstance(item, type) and issubclass(item, kind)
    ]
    return Annotated[Union[*(model for model in models if SOURCE in model.model_fields)], Field(discriminator=SOURCE)]


def method_of(entry: object) -> str:
    """The method of a generator of the configuration, plain or checked; SOURCE where it is not trained here."""
    given = entry if isinstance(entry, dict) else vars(entry)
    return SOURCE if SOURCE in given else str(given.get("method", DEFAULT_METHOD))


GeneratorEntry = Annotated[
    Union[*(Annotated[model, Tag(name)] for name, model in METHODS.items()), Annotated[FileGenerator, Tag(SOURCE)]],
    Discriminator(method_of),
]
FaceSetEntry = entries_of(FaceSetSettings, of_sources, of_similarity, of_generator)
BenchmarkEntry = entries_of(BenchmarkSettings, of_sources)
EmbedderEntry = entries_of(EmbedderSettings, of_similarity)
ClassifierEntry = entries_of(ClassifierSettings, of_attributes)


class Comparison(Settings):
    """One row of the study table."""

    renamed: ClassVar = {"further_benchmarks": "extra_benchmarks"}

    faceset: FaceSetName = Field(description="What a recognizer is trained on.")
    recognizer: RecognizerName | None = Field(None, description="How; the study's recognizer where not given.")
    extra_benchmarks: tuple[BenchmarkName, ...] = Field(
        (), description="Verified on these as well, e.g. on all of LFW what never saw LFW; they don't enter AVG."
    )


class Reference(Settings):
    """An embedder in the table, as it is."""

    renamed: ClassVar = {"further_benchmarks": "extra_benchmarks"}

    embedder: EmbedderName = Field(description="The embedder.")
    extra_benchmarks: tuple[BenchmarkName, ...] = Field(
        (), description="Verified on these as well; they don't enter AVG."
    )


class Export(Settings):
    """A face set in the forms that other people's code reads, each with its card."""

    faceset: FaceSetName = Field(description="The face set.")
    forms: tuple[Literal[*registry.names_of("sources.export_forms")], ...] = Field(
        ("recordio",),
        min_length=1,
        description=(
            "folder: images and labels.csv. parquet: what Hugging Face's `datasets` loads. recordio: InsightFace's layout. "
            "webdataset: tars."
        ),
    )


class Pipeline(Settings):
    """A generator to give away: a diffusers pipeline with its model card."""

    generator: GeneratorName = Field(description="The generator.")
    licence: str = Field(
        min_length=1,
        description=(
            "Under which licence its weights are given away, as the card states it: `cc-by-nc-4.0`, say. The photographs it "
            "was trained on may forbid some."
        ),
    )


class Model(Settings):
    """A recognizer to give away: as ONNX and as safetensors, with its model card."""

    recognizer: RecognizerName = Field(description="The recognizer.")
    trained_on: FaceSetName = Field(description="The face set it is trained on.")
    seed: int = Field(0, ge=0, description="Which of its training seeds.")
    licence: str = Field(
        min_length=1, description="Under which licence its weights are given away, as the card states it."
    )


class Study(Settings):
    """What is compared with what."""

    real: FaceSetName | None = Field(
        None,
        description="The real face set: the reference of the gap to real, and of every measure against real faces.",
    )
    compare: tuple[FaceSetName | Comparison, ...] = Field(
        (), description="Face sets (or face set and recognizer) to compare with it."
    )
    recognizer: RecognizerName | None = Field(
        None,
        description="The recognizer trained on each; without one, nothing is trained on the sets and no table is made of them.",
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,), min_length=1, description="Training seeds; the table gives mean and spread over them."
    )
    benchmarks: tuple[BenchmarkName, ...] = Field((), description="What each recognizer is verified on.")
    thresholds: Literal["grid", "exact"] = Field(
        "grid",
        description=(
            "Verification thresholds. grid: insightface's 0, 0.01 … 3.99, comparable with published numbers. "
            "exact: every distance; differs by up to a quarter of a point on 6,000 pairs."
        ),
    )
    paper_style: bool = Field(
        False,
        description=(
            "Add each benchmark's highest accuracy over the epochs kept, which some papers print. It is chosen on "
            "the test sets: not a result."
        ),
    )
    published: tuple[Literal[*PUBLISHED], ...] = Field(
        (),
        description=(
            "Tables of papers shown below the study's own lines, marked as published "
            "(semihard/study_table/published.py)."
        ),
    )
    references: tuple[EmbedderName | Reference, ...] = Field(
        (), description="Embedders verified as they are, for the eye."
    )
    show: tuple[FaceSetName, ...] = Field((), description="Further face sets to make and to show in the report.")
    audit: tuple[FaceSetName, ...] = Field(
        (),
        description="Face sets to audit besides those that a generator of the study drew: anybody's; each gets a page.",
    )
    exports: tuple[Export, ...] = Field(
        (), description="Face sets to write for other people's code: <results>/export/<face set>/<form>."
    )
    pipelines: tuple[Pipeline, ...] = Field(
        (), description="Generators to write as diffusers pipelines: <results>/pipelines/<generator>."
    )
    models: tuple[Model, ...] = Field(
        (),
        description="Recognizers to write as ONNX and safetensors: <results>/models/<recognizer>/<face set>/seed<seed>.",
    )
    embedder: EmbedderName | None = Field(
        None, description="Measures similarity, diversity and leakage for the report: of all face sets that it shows."
    )
    center: Literal[*CENTERS] = Field("mean", description="Identity center of the report's similarity histograms.")
    binning: str = Field(
        "quantile-5", pattern=f"^({BINNING})$", description="Similarity bins of the real set that the report shows."
    )
    attributes: AttributeStudy | None = Field(None, description="The attribute study; left out where not given.")
    fairness: FairnessAudit | None = Field(
        None, description="Fairness of the recognizers by demographic group; left out where not given."
    )
    tracker: Literal["tensorboard", "wandb", "mlflow"] | None = Field(
        None,
        description=(
            "Shows every training of a generator or recognizer while it runs (docs/recognizers.md, Watching a training); it "
            "has to be installed. Changes no result and makes nothing anew."
        ),
    )
    leakage: LeakageAudit = Field(LeakageAudit(), description="The leakage audit.")
    fidelity: FidelityAudit = Field(FidelityAudit(), description="How near the compared sets are to the real one.")

    @model_validator(mode="after")
    def _once(self) -> "Study":
        for name in ("seeds", "benchmarks", "published"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one of {list(values)} twice")
        return self

    @model_validator(mode="after")
    def _complete(self) -> "Study":
        """Every part is needed only by what uses it."""
        trained, shown = self.compare or self.recognizer, self.compare or self.audit or self.recognizer
        verified = self.references or trained
        needed = (
            ("real", trained, "which the gap of every training set refers to"),
            (
                "recognizer",
                self.compare,
                "which is trained on every set of compare; to measure sets untrained, name them in audit",
            ),
            ("benchmarks", verified, "on which recognizers and references are verified"),
            ("embedder", shown, "by which face sets are measured"),
            (
                "references",
                self.benchmarks and not trained,
                "the embedders to verify, or real and recognizer, to train some",
            ),
        )
        for name, wanted, why in needed:
            if wanted and not getattr(self, name):
                raise ValueError(f"{name} is missing, {why}")
        if not (verified or self.audit or self.show or self.exports or self.pipelines or self.models):
            raise ValueError(
                "asks for nothing: name face sets in compare (to train on them), audit, show or exports, embedders in references, "
                "generators in pipelines, or recognizers in models"
            )
        return self


class Config(Settings):
    """The whole configuration: named entries and the study that uses them."""

    results: str = Field(
        "results",
        pattern=r"^/?[^\s{}<>/][^{}<>]*$",
        description="The folder everything is made in; give each study its own.",
    )
    facesets: dict[Name, FaceSetEntry] = Field({}, description="Face sets.")
    embedders: dict[Name, EmbedderEntry] = Field({}, description="Embedders.")
    generators: dict[Name, GeneratorEntry] = Field({}, description="Generators.")
    recognizers: dict[Name, Recognizer] = Field({}, description="Recognizers.")
    benchmarks: dict[BenchmarkName, BenchmarkEntry] = Field({}, description="Benchmarks.")
    attribute_classifiers: dict[Name, ClassifierEntry] = Field({}, description="Attribute classifiers.")
    downloads: dict[Name, Download] = Field(
        {},
        description=(
            "Files to fetch when they are needed, to downloads/<name>, beside the results: `path: download:<name>` in an entry "
            "stands for one, `download:<name>/<within>` for what lies in one that is unpacked. Known without an entry: "
            f"{', '.join(f'`{name}`' for name in KNOWN)}."
        ),
    )
    study: Study = Field(description="The study.")

    @field_validator("results")
    @classmethod
    def _written_out(cls, path: str) -> str:
        if path.startswith("~") or "$" in path:
            raise ValueError("'~' and variables are not expanded here; write the folder out")
        return path

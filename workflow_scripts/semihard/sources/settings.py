"""Face sets and benchmarks that come from outside or from the renderer, and what is cut from other sets."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from semihard.settings.base import (
    ALIGN,
    GROUP,
    LICENCE,
    SEED,
    BenchmarkName,
    BenchmarkSettings,
    FaceSetName,
    FaceSetSettings,
    Positive,
    Settings,
    UserFile,
    each_once,
)
from semihard.settings.registry import literal, names_of

ORIGIN_OF_BENCHMARKS = "InsightFace's data sets bring lfw.bin, cfp_fp.bin, agedb_30.bin, calfw.bin and cplfw.bin"


class AttributeLabels(Settings):
    """Labels of a file of yours, joined to the images by their keys: columns attribute_<Name> of the face set."""

    path: Annotated[str, UserFile("the file of attribute labels is expected")] = Field(
        description="The label file. `~` and environment variables are expanded."
    )
    format: Literal[*names_of("sources.label_formats")] = Field(
        description=(
            "celeba: list_attr_celeba.txt or its CSV. fairface: age, gender, race. lfw: Kumar's lfw_attributes.txt. "
            "maad_face: MAAD-Face's CSV. table: any CSV of keys and of 1 present, 0 absent, -1 or blank undefined."
        )
    )
    key: str | None = Field(
        None,
        description=(
            "The column of keys (fairface, table), where it isn't called as usual; row: the file's rows are in the order "
            "of the images. A key is an image's path within the folder or its record's number; suffixes don't count, nor "
            "do folders where no key names one."
        ),
    )
    columns: tuple[str, ...] = Field((), description="The attributes to take; all where not given.")
    absent: Literal[0, -1] | None = Field(
        None,
        description=(
            "What says that an attribute is absent (table); the other of the two is undefined. 0 where not given, and then a "
            "column with -1 and without 0, as CelebA's are, is refused."
        ),
    )
    undefined_below: float | None = Field(
        None,
        ge=0,
        description=(
            "Scores nearer to 0 are undefined (lfw). Where not given, the 52 % of each attribute's that are nearest: what "
            "MAAD-Face (TIFS 2021) left out, so that people agreed with four in five of the others."
        ),
    )
    repair_dates: bool = Field(
        False, description="Read the dates that spreadsheets make of ages (fairface): 03-Sep as 3-9, Oct-19 as 10-19."
    )
    unmatched: float = Field(
        0.05,
        ge=0,
        le=1,
        description=(
            "Greatest share of the images that may lack a row, their labels being undefined; more look like the labels of "
            "another set."
        ),
    )

    @field_validator("columns")
    @classmethod
    def _each_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(columns, "name it once")

    @model_validator(mode="after")
    def _read_by_the_format(self) -> "AttributeLabels":
        read = (literal("sources.label_formats", self.format) or {}).get("knobs", ())
        for knob in ("key", "absent", "undefined_below", "repair_dates"):
            off = type(self).model_fields[knob].default
            given = getattr(self, knob) is not off and (knob, self.key) != ("key", "row")
            if given and knob not in read:
                raise ValueError(f"the format {self.format} has no use for {knob}; take it out")
        return self


ATTRIBUTES = Field(None, description="Attribute labels from a file of yours; none where not given.")


class RecordIOFaces(FaceSetSettings):
    """A face set in MXNet RecordIO, InsightFace's layout or im2rec's (train.rec, train.idx, property)."""

    made_by: ClassVar = ("import_faces",)
    source: Literal["recordio"]
    path: str = Field(
        description="Folder that holds train.rec, or a .rec file. `~` and environment variables are expanded."
    )
    labelled: bool = Field(
        True, description="False: the labels mean nothing (a crawl, FairFace); images are stored as unlabelled."
    )
    label_gaps: Literal["refuse", "renumber"] = Field(
        "refuse",
        description="What to do where labels 0 … K−1 have gaps: refuse the set, or number the identities found.",
    )
    licence: str = LICENCE
    attributes: AttributeLabels | None = ATTRIBUTES


class FolderFaces(FaceSetSettings):
    """A folder of images, one subfolder per identity, or without identities."""

    made_by: ClassVar = ("import_faces",)
    source: Literal["folder"]
    path: str = Field(
        description=(
            "The folder, or a zip or tar archive of it, which is unpacked to TMPDIR for as long as it is read. `~` and "
            "environment variables are expanded."
        )
    )
    labelled: bool = Field(
        True,
        description=(
            "False: whose faces they are is not known. Images lie in the folder itself and in its subfolders, and are "
            "stored as unlabelled."
        ),
    )
    tiles: Positive = Field(
        1,
        description=(
            "Faces in a row where each file is a grid of them (IDiff-Face: 4 as sampled, 5 as aligned); 1: each "
            "file is one face."
        ),
    )
    align: Literal["none", "mtcnn"] = ALIGN
    licence: str = LICENCE
    attributes: AttributeLabels | None = ATTRIBUTES


class LMDBFaces(FaceSetSettings):
    """A face set in the LMDB form of Vec2Face's releases (HSFace, VFace): msgpack of JPEG and label under b"0", b"1" …"""

    made_by: ClassVar = ("import_faces",)
    source: Literal["lmdb"]
    path: Annotated[str, UserFile("an .lmdb file or the folder of one is expected")] = Field(
        description="The .lmdb file or folder. `~` and environment variables are expanded."
    )
    label_gaps: Literal["refuse", "renumber"] = Field(
        "refuse",
        description="What to do where labels 0 … K−1 have gaps: refuse the set, or number the identities found.",
    )
    licence: str = LICENCE
    attributes: AttributeLabels | None = ATTRIBUTES


class RenderedFaces(FaceSetSettings):
    """Faces of this project's procedural morphable model: identity α, expression β, illumination γ, pose θ."""

    made_by: ClassVar = ("render_faces",)
    source: Literal["rendered"]
    identities: Positive = Field(200, description="Number of identities.")
    per_identity: Positive = Field(20, description="Images per identity.")
    first_identity: int = Field(
        0, ge=0, description="Number of the first identity: sets cut from one seed are disjoint where their ranges are."
    )
    image_size: Positive = Field(112, description="Side in pixels.")
    identity_mixup: bool = Field(
        False,
        description=(
            "Mix each image's α with another identity's, φ from the grid 0, 0.05 … 1 (SynFace, ICCV 2021, "
            "identity mixup in coefficient space)."
        ),
    )
    vary: tuple[Literal["expression", "illumination", "pose", "surroundings"], ...] = Field(
        (),
        description=(
            "What differs between the images of an identity (SynFace, ICCV 2021, varies one factor at a time); all four "
            "where not given. The others are neutral: no expression, frontal, light from before, and of the surroundings "
            "no glasses, hat or patch, one grey backdrop. What varies has the values that it has where everything does."
        ),
    )
    seed: int = SEED

    @field_validator("vary")
    @classmethod
    def _each_once(cls, vary: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(vary, "name it once")

    @model_validator(mode="after")
    def _partner(self) -> "RenderedFaces":
        if self.identity_mixup and self.identities < 2:
            raise ValueError("identity_mixup needs another identity, so identities: 2 at least")
        return self


class SubsetFaces(FaceSetSettings):
    """Some identities and images of another face set."""

    made_by: ClassVar = ("subset_faces",)
    source: Literal["subset"]
    of: FaceSetName = Field(description="The face set to take from.")
    identities: Positive | None = Field(None, description="How many identities, drawn at random; all where not given.")
    per_identity: Positive | None = Field(
        None, description="At most so many images of each, drawn at random; all where not given."
    )
    min_per_identity: Positive = Field(1, description="Leave out identities with fewer images.")
    exclude: FaceSetName | None = Field(None, description="Leave out the identities (by name) of this face set.")
    exclude_benchmark: BenchmarkName | None = Field(
        None,
        description=(
            "Leave out the identities (by name) of this benchmark, so that nothing is verified on people it was "
            "trained on."
        ),
    )
    seed: int = SEED


class UnionFaces(FaceSetSettings):
    """Other face sets one after the other; identities of one name are one identity."""

    made_by: ClassVar = ("unite_faces",)
    source: Literal["union"]
    sets: tuple[FaceSetName, ...] = Field(min_length=2, description="The face sets, images of one size and codec.")

    @field_validator("sets")
    @classmethod
    def _once(cls, sets: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(sets, "each image would count double, so name it once")


class BinBenchmark(BenchmarkSettings):
    """Verification pairs in InsightFace's `.bin` form; read without trusting the pickle."""

    source: Literal["bin"]
    path: Annotated[str, UserFile(ORIGIN_OF_BENCHMARKS)] = Field(
        description="The .bin file. `~` and environment variables are expanded."
    )
    folds: int = Field(
        10, ge=2, description="Its folds, equal blocks in order: ten in all official files, fewer in a part of one."
    )
    group: str = GROUP
    licence: str = LICENCE


class PairsBenchmark(BenchmarkSettings):
    """LFW's own form: pairs.txt and a folder per person."""

    source: Literal["pairs"]
    pairs: Annotated[str, UserFile("LFW's own pairs.txt is expected")] = Field(description="pairs.txt.")
    folder: str = Field(description="The folder of name/name_0001.jpg.")
    folds: tuple[Positive, ...] = Field((), description="Which of its folds, counted from 1; all where not given.")
    align: Literal["none", "mtcnn"] = ALIGN
    group: str = GROUP
    licence: str = LICENCE


class CSVBenchmark(BenchmarkSettings):
    """Pairs of anybody's photographs: a CSV file with columns first, second (their paths), same (1 or 0), and fold or none."""

    source: Literal["csv"]
    path: Annotated[str, UserFile("a CSV file of pairs is expected")] = Field(description="The CSV file.")
    folder: str | None = Field(None, description="What the paths begin at; the file's own folder where not given.")
    folds: Positive = Field(10, description="Folds, equal blocks in order, where no column tells them.")
    align: Literal["none", "mtcnn"] = ALIGN
    group: str = GROUP
    licence: str = LICENCE


class IJBBenchmark(BenchmarkSettings):
    """Pairs of templates, IJB-B's or IJB-C's 1:1 protocol: true accept rates, no accuracy, so they don't enter AVG."""

    gives_accuracy: ClassVar = False
    source: Literal["ijb"]
    path: str = Field(description="The folder that holds loose_crop and meta, as insightface distributes it.")
    name: Literal["ijbb", "ijbc"] = Field(description="Which of the two: how the files in meta begin.")
    licence: str = LICENCE


class RenderedBenchmark(BenchmarkSettings):
    """Pairs of rendered faces; take identities no training set has."""

    made_by: ClassVar = ("render_benchmark",)
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
            why = f"{self.pairs} pairs must divide by twice the {self.folds} folds, and every fold needs two identities"
            raise ValueError(why)
        return self

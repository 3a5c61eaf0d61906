"""Face sets: imported, rendered, cut from others, drawn from a generator."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from semihard.settings.base import (
    ALIGN,
    BINNING,
    COMPILE,
    LICENCE,
    PRECISION,
    SEED,
    Name,
    Positive,
    Precision,
    Settings,
    Similarity,
)


class RecordIOFaces(Settings):
    """A face set in MXNet RecordIO, InsightFace's layout or im2rec's (train.rec, train.idx, property)."""

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


class FolderFaces(Settings):
    """A folder of images, one subfolder per identity."""

    source: Literal["folder"]
    path: str = Field(description="The folder. `~` and environment variables are expanded.")
    tiles: Positive = Field(
        1,
        description="Faces in a row where each file is a grid of them (IDiff-Face: 4 as sampled, 5 as aligned); 1: each file is one face.",
    )
    align: Literal["none", "mtcnn"] = ALIGN
    licence: str = LICENCE


class LMDBFaces(Settings):
    """A face set in the LMDB form of Vec2Face's releases (HSFace, VFace): msgpack of JPEG and label under b"0", b"1" …"""

    source: Literal["lmdb"]
    path: str = Field(description="The .lmdb file or folder. `~` and environment variables are expanded.")
    label_gaps: Literal["refuse", "renumber"] = Field(
        "refuse",
        description="What to do where labels 0 … K−1 have gaps: refuse the set, or number the identities found.",
    )
    licence: str = LICENCE


class RenderedFaces(Settings):
    """Faces of this project's procedural morphable model: identity α, expression β, illumination γ, pose θ."""

    source: Literal["rendered"]
    identities: Positive = Field(200, description="Number of identities.")
    per_identity: Positive = Field(20, description="Images per identity.")
    first_identity: int = Field(
        0, ge=0, description="Number of the first identity: sets cut from one seed are disjoint where their ranges are."
    )
    image_size: Positive = Field(112, description="Side in pixels.")
    identity_mixup: bool = Field(
        False,
        description="Mix each image's α with another identity's, φ from the grid 0, 0.05 … 1 (SynFace, ICCV 2021, identity mixup in coefficient space).",
    )
    seed: int = SEED


class SubsetFaces(Settings):
    """Some identities and images of another face set."""

    source: Literal["subset"]
    of: Name = Field(description="The face set to take from.")
    identities: Positive | None = Field(None, description="How many identities, drawn at random; all where not given.")
    per_identity: Positive | None = Field(
        None, description="At most so many images of each, drawn at random; all where not given."
    )
    min_per_identity: Positive = Field(1, description="Leave out identities with fewer images.")
    exclude: Name | None = Field(None, description="Leave out the identities (by name) of this face set.")
    exclude_benchmark: Name | None = Field(
        None,
        description="Leave out the identities (by name) of this benchmark, so that nothing is verified on people it was trained on.",
    )
    seed: int = SEED


class UnionFaces(Settings):
    """Other face sets one after the other; identities of one name are one identity."""

    source: Literal["union"]
    sets: tuple[Name, ...] = Field(min_length=2, description="The face sets, images of one size and codec.")


class SimilarityBinFaces(Settings):
    """The faces of one similarity bin: CemiFace's discovery experiment (NeurIPS 2024, Sec. 3.1)."""

    source: Literal["similarity_bin"]
    of: Name = Field(description="The face set to split.")
    embedder: Name = Field(description="The embedder that measures similarity.")
    center: Literal["class_weight", "mean"] = Field(
        "class_weight",
        description="Identity center: the class weight of the recognizer trained on the set (CemiFace Sec. 3.1) or the mean embedding.",
    )
    binning: str = Field(
        "quantile-5",
        pattern=BINNING,
        description="quantile-5: five equal bins per identity by rank (CemiFace Table 9). threshold-0.3-0.6: global thresholds.",
    )
    bin: int = Field(ge=0, description="Which bin; 0 holds the most similar images.")

    @model_validator(mode="after")
    def _bin(self) -> "SimilarityBinFaces":
        kind, _, numbers = self.binning.partition("-")
        bins = int(numbers) if kind == "quantile" else len(re.findall(r"-?-[0-9.]+", self.binning)) + 1
        if self.bin >= bins:
            raise ValueError(f"{self.binning} has bins 0 to {bins - 1}, not {self.bin}")
        return self


class SampledFaces(Settings):
    """What every face set drawn from a diffusion generator has."""

    generator: Name = Field(description="The generator.")
    sampler: Literal["ddim", "dpmsolver++"] = Field(
        "ddim",
        description="ddim: DDIM, η = 0 (CemiFace Sec. 4.1). dpmsolver++: second order, multistep (Lu et al., 2022): as good in about half the steps (docs/generators.md).",
    )
    steps: Positive = Field(20, description="Network evaluations per image (CemiFace Sec. 4.1: 20).")
    codec: Literal["jpeg", "png"] = Field("jpeg", description="jpeg: quality 95, 4:4:4. png: exact.")
    batch: Positive = Field(256, description="Images denoised together. Shards are cut at batch boundaries.")
    shards: Positive = Field(1, description="Jobs the synthesis is spread over. The face set does not depend on it.")
    precision: Precision = PRECISION
    compile: bool = COMPILE
    seed: int = SEED


class NegativeIdentity(Settings):
    """Guidance away from another identity: ε′ = ε(C_id) + w (ε(C_id) − ε(C_neg)) (NegFaceDiff, ICCV Workshops 2025)."""

    weight: float = Field(0.5, gt=0, description="w (NegFaceDiff: 0.5). Doubles the cost of a step.")
    identity: Literal["closest", "median", "farthest", "random"] = Field(
        "random", description="Which other inquiry's embedding is C_neg, by its cosine to C_id."
    )


class SyntheticFaces(SampledFaces):
    """Faces drawn from a generator at a requested similarity to one inquiry image per new identity (CemiFace Sec. 3.3)."""

    source: Literal["synthesis"]
    inquiries: Name = Field(description="The face set whose images define the new identities.")
    similarity: Similarity = Field(
        0.0, description="Requested similarity m; no meaning for dcface. CemiFace Table 5: best at 0 … 0.1."
    )
    further_similarities: tuple[Similarity, ...] = Field(
        (),
        description="Mixed in: an identity's images are drawn at `similarity` and at these in turn (CemiFace Sec. 4.3: no gain near 0, a loss from 0.5 on).",
    )
    styles: Name | None = Field(
        None,
        description="dcface: the face set the styles X_sty are drawn from; the generator's training set where not given.",
    )
    identities: Positive = Field(10_000, description="New identities (CemiFace Table 6, 0.5M set).")
    per_identity: Positive = Field(50, description="Images per identity (CemiFace Table 6).")
    inquiry_threshold: Similarity = Field(
        0.3, description="Greatest cosine between two inquiries (CemiFace Sec. 4.1, after DCFace)."
    )
    inquiry_embedder: Name | None = Field(
        None,
        description="By whose cosine inquiries are told apart; the generator's embedder where not given. One that no loss has seen does not favour what the generator finds easy.",
    )
    inquiry_rounds: Positive = Field(
        5,
        description="Passes over the inquiries' face set while too few survive, each with another image of the identities not taken yet. Our bound; the papers draw once.",
    )
    quality_quantile: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Inquiry candidates in this lowest share by embedding norm, or by sharpness, are left out; 0 takes all. CemiFace Sec. 5: poor inquiries give poor identities, without a number; this one is ours.",
    )
    inquiry_copies: int = Field(
        5,
        ge=0,
        description="Times the inquiry image itself is added to its class (CemiFace's released log: 5; DCFace Table 3: better than none). 0 keeps photographs of the inquiries out of the set.",
    )
    center: Literal["class_weight", "mean"] | None = Field(
        None,
        description="Condition on the identity centers of the labelled inquiries' face set, not on one image of each (CemiFace Table 8).",
    )
    identity_mixup: bool = Field(
        False,
        description="Mix each image's identity condition with another inquiry's, φ from the grid 0, 0.05 … 1, labels two-hot (SynFace identity mixup, on the condition).",
    )
    angular_perturbation: Similarity | None = Field(
        None,
        description="Turn each image's identity condition by a random angle, its cosine uniform between this and 1 (IDperturb, CVPR 2026).",
    )
    negative_identity: NegativeIdentity | None = Field(None, description="Guidance away from another identity.")

    @field_validator("angular_perturbation", mode="before")
    @classmethod
    def _angle(cls, value: object) -> object:
        if isinstance(value, bool):  # which would count as 0 or 1
            raise ValueError("is a cosine; leave it out for no perturbation")
        return value


class UnconditionalFaces(SampledFaces):
    """Unlabelled faces drawn from a ddpm generator: inquiries that are no person's photograph (CemiFace Tables 3–4, "DDPM")."""

    source: Literal["unconditional"]
    images: Positive = Field(20_000, description="How many. DCFace draws 200,000, of which 42,763 are unique.")


FaceSetEntry = Annotated[
    RecordIOFaces
    | FolderFaces
    | LMDBFaces
    | RenderedFaces
    | SubsetFaces
    | UnionFaces
    | SimilarityBinFaces
    | SyntheticFaces
    | UnconditionalFaces,
    Field(discriminator="source"),
]

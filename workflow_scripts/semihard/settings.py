"""Every knob of a study: its name, default, unit and source. The one place for all four (docs/configuration.md is made from it).

A stage receives the model of its own entry only. Nothing here computes: a stage that reads its settings depends on
their values, which Snakemake tracks, not on this file.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")]
Precision = Literal["auto", "bf16", "fp32"]
Similarity = Annotated[float, Field(ge=-1, le=1)]
Positive = Annotated[int, Field(ge=1)]

BINNING = r"^(quantile-[1-9][0-9]*|threshold(-?-[0-9.]+)+)$"
PRECISION = Field("auto", description="bf16 autocast, fp32, or auto: bf16 where the device multiplies it faster.")
COMPILE = Field(
    False, description="torch.compile, one to three minutes at first; goes on without, saying so, where it fails."
)
SEED = Field(0, ge=0, description="Seed of every random draw of this entry.")
LICENCE = Field("", description="Licence of the data, carried along in every artifact made of it.")
ALIGN = Field(
    "none",
    description="none: images are aligned already. mtcnn: detect with facenet-pytorch's MTCNN and warp five points to the ArcFace template at 112 pixels.",
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# ── face sets ────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    align: Literal["none", "mtcnn"] = ALIGN
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
    styles: Name | None = Field(
        None,
        description="dcface: the face set the styles X_sty are drawn from; the generator's training set where not given.",
    )
    identities: Positive = Field(10_000, description="New identities (CemiFace Table 6, 0.5M set).")
    per_identity: Positive = Field(50, description="Images per identity (CemiFace Table 6).")
    inquiry_threshold: Similarity = Field(
        0.3, description="Greatest cosine between two inquiries (CemiFace Sec. 4.1, after DCFace)."
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


class UnconditionalFaces(SampledFaces):
    """Unlabelled faces drawn from a ddpm generator: inquiries that are no person's photograph (CemiFace Tables 3–4, "DDPM")."""

    source: Literal["unconditional"]
    images: Positive = Field(20_000, description="How many. DCFace draws 200,000, of which 42,763 are unique.")


FaceSetEntry = Annotated[
    RecordIOFaces
    | FolderFaces
    | RenderedFaces
    | SubsetFaces
    | SimilarityBinFaces
    | SyntheticFaces
    | UnconditionalFaces,
    Field(discriminator="source"),
]


# ── embedders ────────────────────────────────────────────────────────────────────────────────────────────────────────


class RecognizerEmbedder(Settings):
    """A recognizer trained in this study: CemiFace's own choice, trained on the very set it embeds."""

    source: Literal["recognizer"]
    recognizer: Name = Field(description="The recognizer.")
    trained_on: Name = Field(description="The face set it is trained on.")
    seed: int = Field(0, ge=0, description="Which of its training seeds.")


class FacenetEmbedder(Settings):
    """facenet-pytorch's InceptionResnetV1."""

    source: Literal["facenet"]
    pretrained: Literal["vggface2", "casia-webface"] = Field("vggface2", description="Which of its two weight files.")
    path: str | None = Field(
        None, description="The weight file where it has been fetched already; else facenet-pytorch's download folder."
    )


class WeightsEmbedder(Settings):
    """A pretrained recognizer whose state dict the user has."""

    source: Literal["weights"]
    path: str = Field(description="PyTorch state dict or safetensors. `~` and environment variables are expanded.")
    layout: Literal[
        "iresnet18", "iresnet34", "iresnet50", "iresnet100", "mobilefacenet_facexzoo", "mobilefacenet_112x96"
    ] = Field(
        description="Whose state dict it is; fixes the network, its colour order, crop and scale (docs/embedders.md)."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Refuse the file where its checksum is another."
    )


EmbedderEntry = Annotated[RecognizerEmbedder | FacenetEmbedder | WeightsEmbedder, Field(discriminator="source")]


# ── generators ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Diffusion(Settings):
    """What the training of every generator has. Where CemiFace is silent: DCFace (CVPR 2023) and its code."""

    trained_on: Name = Field(description="The face set it learns from; only dcface uses the labels.")
    network: Literal["tiny", "dcface_112"] = Field(
        "dcface_112",
        description="dcface_112: the papers' U-Net. tiny: pixel-unshuffle and three narrow levels, for CPU.",
    )
    image_size: Positive = Field(112, description="Side in pixels of what it makes (CemiFace Sec. 4.1).")
    timesteps: Positive = Field(1000, description="Diffusion steps T (CemiFace Sec. 4.1).")
    beta_start: float = Field(
        1e-4, gt=0, description="First β of the linear schedule (DCFace code; CemiFace is silent)."
    )
    beta_end: float = Field(0.02, gt=0, description="Last β (DCFace code).")
    mse: Literal["epsilon", "velocity"] = Field(
        "epsilon",
        description="What L_MSE measures: ε (CemiFace Eq. 10), or the velocity v (Salimans & Ho, ICLR 2022), which gives noisy steps more weight: short trainings get to faces sooner.",
    )
    batch: Positive = Field(160, description="Images per optimizer step, over all processes (CemiFace Sec. 4.1).")
    processes: Positive = Field(
        1,
        description="Processes that share a batch, one GPU each (CemiFace Sec. 4.1: two). The result does not depend on it but for rounding.",
    )
    accumulation: Positive = Field(
        1, description="Parts a process works its share of a batch off in: less memory, the same gradient."
    )
    epochs: float = Field(10, gt=0, description="Passes over the face set (CemiFace Sec. 4.1).")
    flip: bool = Field(
        True, description="Mirror images at random. The papers are silent; DDPM (Ho et al., 2020, App. B) does."
    )
    learning_rate: float = Field(
        1e-4, gt=0, description="AdamW. CemiFace is silent; DCFace's released script (its paper says 1e-3)."
    )
    rate_schedule: Literal["constant", "cosine"] = Field(
        "constant",
        description="Of the learning rate, after warm-up. The papers are silent; short trainings gain by cosine.",
    )
    warmup_steps: int = Field(0, ge=0, description="Linear warm-up of the learning rate, in optimizer steps.")
    clip_norm: float | None = Field(
        1.0, gt=0, description="Greatest norm of the gradient. The papers are silent; DDPM's released code clips at 1."
    )
    weight_decay: float = Field(0.01, ge=0, description="AdamW (PyTorch's default, as in DCFace's code).")
    ema_decay: float = Field(
        0.9999, ge=0, lt=1, description="Greatest decay of the weight average that is sampled from (DCFace code)."
    )
    ema_power: float = Field(0.75, gt=0, description="Warm-up power of that decay (DCFace code).")
    precision: Precision = PRECISION
    compile: bool = COMPILE
    seed: int = SEED

    @model_validator(mode="after")
    def _training(self) -> "Diffusion":
        if self.batch % (self.processes * self.accumulation):
            parts = f"{self.processes} processes × {self.accumulation} parts"
            raise ValueError(f"batch {self.batch} does not divide by {parts}")
        if self.mse == "velocity" and self.network != "tiny":
            raise ValueError(f"mse: velocity is for networks that put out a velocity (tiny), not for {self.network}")
        if self.beta_start > self.beta_end or self.beta_end >= 1:
            raise ValueError(f"beta_start {self.beta_start} … beta_end {self.beta_end} must rise and stay below 1")
        return self


class CemiFaceGenerator(Diffusion):
    """A similarity-controlled generator (CemiFace, NeurIPS 2024, Sec. 3.2). The method where none is named."""

    method: Literal["cemiface"] = "cemiface"
    embedder: Name = Field(description="The frozen embedder of the identity condition and of both similarity losses.")
    lambda_: float = Field(0.05, ge=0, alias="lambda", description="Weight λ of L_SimMat (CemiFace Eq. 14, Table 14).")
    m_min: Similarity = Field(
        -1.0, description="Least similarity trained on (CemiFace Table 5: [−1, 1] is best, then [0, 1], then 0 alone)."
    )
    m_max: Similarity = Field(1.0, description="Greatest similarity trained on.")
    m_step: float = Field(
        0.04,
        ge=0,
        description="Grid of m. CemiFace Sec. 4.1 says 0.02, Sec. 4.3 and the headline row of Table 2 say 0.04. 0: continuous m, which its authors found to be ignored.",
    )
    measure: Literal["cosine", "euclidean"] = Field(
        "cosine",
        description="What m is compared with: the cosine, or 1 − the Euclidean distance of the unit embeddings, also in [−1, 1] (CemiFace's ablation, which gives no formula; this one is ours).",
    )
    time_weighting: bool = Field(
        True, description="γ_t = t/T in L_SimMat (CemiFace Eq. 13). False: γ_t = ½ at all t, the ablation."
    )

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _grid(self) -> "CemiFaceGenerator":
        if self.m_min > self.m_max:
            raise ValueError(f"m_min {self.m_min} is above m_max {self.m_max}")
        return self


class DCFaceGenerator(Diffusion):
    """The baseline: identity from one image, style from another of the same person (DCFace, CVPR 2023)."""

    method: Literal["dcface"]
    embedder: Name = Field(
        description="Frozen: its early layers see the style, its embedding both identity losses; class centers are mean embeddings by it."
    )
    batch: Positive = Field(256, description="Images per optimizer step, over all processes (DCFace).")
    lambda_: float = Field(0.05, ge=0, alias="lambda", description="Weight λ of L_ID (DCFace).")
    style_grid: Positive = Field(
        5, description="k of the k × k grid of style statistics (DCFace: 5 is best of 1, 3, 5, 7)."
    )
    trim: float = Field(
        0.1, ge=0, lt=1, description="Share of each class left out, the least similar to its center (DCFace code)."
    )
    nearest: Positive = Field(4, description="X_id is one of so many images nearest to the class center (DCFace code).")

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class UnconditionalGenerator(Diffusion):
    """A plain DDPM (Ho et al., NeurIPS 2020): makes the inquiries that are no person's photograph."""

    method: Literal["ddpm"]


def _method(entry: object) -> str:
    return str(entry.get("method", "cemiface")) if isinstance(entry, dict) else getattr(entry, "method", "cemiface")


GeneratorEntry = Annotated[
    Annotated[CemiFaceGenerator, Tag("cemiface")]
    | Annotated[DCFaceGenerator, Tag("dcface")]
    | Annotated[UnconditionalGenerator, Tag("ddpm")],
    Discriminator(_method),
]


# ── recognizers ──────────────────────────────────────────────────────────────────────────────────────────────────────


class DomainMixup(Settings):
    """SynFace domain mixup: X = ψ X_syn + (1−ψ) X_real, joint classes (ICCV 2021, Sec. 3.4)."""

    real: Name = Field(
        description="The face set of real faces that is mixed in; usually a subset of few identities and images."
    )


class Recognizer(Settings):
    """How a recognizer is trained. Defaults: the recipe of CemiFace (Sec. 4.1)."""

    backbone: Literal["iresnet18", "iresnet34", "iresnet50", "iresnet100", "ir_se_50", "mobilefacenet", "tiny"] = Field(
        "ir_se_50", description="Network. CemiFace Sec. 4.1: IR-SE-50. tiny: ten layers of width 16 … 128, for CPU."
    )
    embedding_dim: Positive = Field(512, description="Length of the embedding.")
    image_size: Positive = Field(
        112, description="Side of the network's input in pixels; images of other sizes are resized."
    )
    head: Literal["cosface", "arcface", "adaface"] = Field(
        "cosface", description="Margin head (CemiFace Sec. 4.1: CosFace)."
    )
    margin: float = Field(0.4, ge=0, description="Margin m of the head (CemiFace Sec. 4.1: 0.4).")
    scale: float = Field(
        64.0,
        gt=0,
        description="Scale s of the logits. The paper is silent; 64 by its author's issue and the CosFace paper.",
    )
    batch: Positive = Field(512, description="Images per optimizer step (CemiFace's released log).")
    epochs: Positive = Field(40, description="Passes over the face set (CemiFace Sec. 4.1).")
    learning_rate: float = Field(0.1, gt=0, description="SGD at batch 512 (CemiFace Sec. 4.1).")
    milestones: tuple[int, ...] = Field(
        (26, 34),
        description="Epochs after which the rate is divided by ten (CemiFace Sec. 4.1; its log shows a third drop near 37).",
    )
    warmup_epochs: float = Field(0.0, ge=0, description="Linear warm-up of the rate; the paper has none.")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD (CemiFace's log).")
    weight_decay: float = Field(
        5e-4, ge=0, description="SGD; none on biases and normalisation (CemiFace Sec. 4.1; CVLface for the exception)."
    )
    crop_scale: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Random resized crop, least area share; 1 switches it off (CemiFace Sec. 4.1: 0.9 … 1).",
    )
    erasing_scale: tuple[float, float] = Field(
        (0.02, 0.1), description="Random erasing, area share; (0, 0) switches it off (CemiFace Sec. 4.1)."
    )
    colour_jitter: float = Field(
        0.1, ge=0, le=0.5, description="Brightness, contrast, saturation and hue (CemiFace Sec. 4.1)."
    )
    low_resolution: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability of down- and upsampling by 0.2 … 1 (AdaFace's augmentation; CemiFace has none).",
    )
    domain_mixup: DomainMixup | None = Field(None, description="Mix real faces into every batch (SynFace).")
    precision: Precision = PRECISION


# ── benchmarks ───────────────────────────────────────────────────────────────────────────────────────────────────────


class BinBenchmark(Settings):
    """Verification pairs in InsightFace's `.bin` form; read without trusting the pickle."""

    source: Literal["bin"]
    path: str = Field(description="The .bin file. `~` and environment variables are expanded.")
    licence: str = LICENCE


class PairsBenchmark(Settings):
    """LFW's own form: pairs.txt and a folder per person."""

    source: Literal["pairs"]
    pairs: str = Field(description="pairs.txt.")
    folder: str = Field(description="The folder of name/name_0001.jpg.")
    folds: tuple[Positive, ...] = Field((), description="Which of its folds, counted from 1; all where not given.")
    align: Literal["none", "mtcnn"] = ALIGN
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


BenchmarkEntry = Annotated[BinBenchmark | PairsBenchmark | RenderedBenchmark, Field(discriminator="source")]


# ── the study ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Comparison(Settings):
    """One row of the study table."""

    faceset: Name = Field(description="What a recognizer is trained on.")
    recognizer: Name | None = Field(None, description="How; the study's recognizer where not given.")
    further_benchmarks: tuple[Name, ...] = Field(
        (), description="Verified on these as well, e.g. on all of LFW what never saw LFW; they don't enter AVG."
    )


class Reference(Settings):
    """An embedder in the table, as it is."""

    embedder: Name = Field(description="The embedder.")
    further_benchmarks: tuple[Name, ...] = Field((), description="Verified on these as well; they don't enter AVG.")


class AttributeStudy(Settings):
    """The attribute study: a classifier on embeddings, annotation of every set, divergence both ways (Neto et al., FG 2024)."""

    labelled: Name = Field(description="The face set whose attribute columns teach the classifier.")
    reliability: float = Field(
        0.75, ge=0.5, le=1, description="Least probability of the predicted side; below it a label is undefined."
    )


class LeakageAudit(Settings):
    """Are synthetic identities new? Nearest image of the generator's training set, by cosine."""

    false_match_rate: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="The cosine called a match has this rate among different identities of the real set.",
    )


class Study(Settings):
    """What is compared with what."""

    real: Name = Field(description="The real face set: the reference of the gap to real.")
    compare: tuple[Name | Comparison, ...] = Field(
        (), description="Face sets (or face set and recognizer) to compare with it."
    )
    recognizer: Name = Field(description="The recognizer trained on each.")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,), min_length=1, description="Training seeds; the table gives mean and spread over them."
    )
    benchmarks: tuple[Name, ...] = Field(min_length=1, description="What each recognizer is verified on.")
    references: tuple[Name | Reference, ...] = Field((), description="Embedders verified as they are, for the eye.")
    show: tuple[Name, ...] = Field((), description="Further face sets to make and to show in the report.")
    embedder: Name = Field(description="Measures similarity, diversity, attributes and leakage for the report.")
    center: Literal["class_weight", "mean"] = Field(
        "mean", description="Identity center of the report's similarity histograms."
    )
    binning: str = Field(
        "quantile-5", pattern=BINNING, description="Similarity bins of the real set that the report shows."
    )
    attributes: AttributeStudy | None = Field(None, description="The attribute study; left out where not given.")
    leakage: LeakageAudit = Field(LeakageAudit(), description="The leakage audit.")

    @model_validator(mode="after")
    def _once(self) -> "Study":
        for name in ("seeds", "benchmarks"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one of {list(values)} twice")
        return self


class Config(Settings):
    """The whole configuration: named entries and the study that uses them."""

    results: str = Field(
        "results",
        pattern=r"^/?[^\s{}<>/][^{}<>]*$",
        description="The folder everything is made in; give each study its own.",
    )
    facesets: dict[Name, FaceSetEntry] = Field(description="Face sets.")
    embedders: dict[Name, EmbedderEntry] = Field(description="Embedders.")
    generators: dict[Name, GeneratorEntry] = Field({}, description="Generators.")
    recognizers: dict[Name, Recognizer] = Field(description="Recognizers.")
    benchmarks: dict[Name, BenchmarkEntry] = Field(description="Benchmarks.")
    study: Study = Field(description="The study.")

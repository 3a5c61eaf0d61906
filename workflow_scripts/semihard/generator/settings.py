"""Generators, how they are trained, and the face sets drawn from them; each method adds its own (generator/methods)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from semihard.generator.operator import Operator
from semihard.generator.sizes import SIZES
from semihard.settings.base import (
    CENTERS,
    COMPILE,
    DRAWN_CENTERS,
    PRECISION,
    SEED,
    EmbedderName,
    FaceSetName,
    FaceSetSettings,
    GeneratorName,
    GeneratorSettings,
    Positive,
    Precision,
    Settings,
    Similarity,
)


class Diffusion(GeneratorSettings):
    """What the training of every generator has: the recipe of its network, and any value of it changed. The defaults shown
    are those of `dcface_112`.

    What a method (generator/methods) says of itself, for the workflow: what its samples are conditioned on, whether they
    take a similarity m, whether it learns from labels, the least images of a batch's part, and the backbones that are
    trained with it, by network."""

    renamed: ClassVar = {"mse": "mse_target"}
    conditioned_on: ClassVar[Literal["embedding", "image", "nothing"]]
    takes_similarity: ClassVar[bool] = False
    learns_from_labels: ClassVar[bool] = False
    images_at_least: ClassVar[int] = 1
    extractors: ClassVar[dict[str, str]] = {}

    trained_on: FaceSetName = Field(
        description="The face set it learns from. dcface uses its labels, cemiface with `condition: same_identity`."
    )
    network: Literal[*SIZES] = Field(
        "dcface_112",
        description=(
            "The U-Net, and where the values come from that are not given here (table below): dcface_112, the "
            "papers', small_64 for one GPU, tiny for CPUs."
        ),
    )
    image_size: Positive = Field(112, description="Side in pixels of what it makes (CemiFace Sec. 4.1).")
    timesteps: Positive = Field(1000, description="Diffusion steps T (CemiFace Sec. 4.1).")
    beta_start: float = Field(1e-4, gt=0, description="First β of the linear schedule (DCFace code, not in CemiFace).")
    beta_end: float = Field(0.02, gt=0, description="Last β (DCFace code).")
    mse_target: Literal["epsilon", "velocity"] = Field(
        "epsilon",
        description=(
            "What L_MSE measures: ε (CemiFace Eq. 10), or the velocity v (Salimans & Ho, ICLR 2022), which gives "
            "noisy steps more weight: short trainings get to faces sooner."
        ),
    )
    weight_cap: float | None = Field(
        None,
        gt=0,
        description=(
            "γ: greatest weight that L_MSE gives the squared error of x̂0, SNR for ε, SNR + 1 for v (min-SNR-γ, "
            "Hang et al., ICCV 2023: 5); the papers have no bound."
        ),
    )
    batch: Positive = Field(160, description="Images per optimizer step, over all processes (CemiFace Sec. 4.1).")
    processes: Positive = Field(
        1,
        description=(
            "Processes that share a batch, one GPU each (CemiFace Sec. 4.1: two). The result does not depend on "
            "it but for rounding."
        ),
    )
    accumulation: Positive = Field(
        1, description="Parts a process works its share of a batch off in: less memory, the same gradient."
    )
    epochs: float = Field(10, gt=0, description="Passes over the face set (CemiFace Sec. 4.1).")
    keep_every: int = Field(
        0,
        ge=0,
        description=(
            "Keep the averaged weights every so many epochs, for the curve of fidelity over images seen "
            "(docs/generators.md); the last step is the result all the same. 0: none but the last."
        ),
    )
    flip: bool = Field(
        True, description="Mirror images at random. The papers are silent; DDPM (Ho et al., 2020, App. B) does."
    )
    learning_rate: float = Field(
        1e-4, gt=0, description="AdamW. CemiFace is silent; DCFace's released script (its paper says 1e-3)."
    )
    muon_learning_rate: float | None = Field(
        None,
        gt=0,
        description=(
            "Where given, Muon (Jordan et al., 2024; torch.optim.Muon) with this rate for matrices and "
            "convolution kernels, AdamW for the rest. The papers have AdamW for all."
        ),
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

    @model_validator(mode="before")
    @classmethod
    def _recipe(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("network", "dcface_112") not in SIZES:
            return given
        values = SIZES[given.get("network", "dcface_112")].recipe
        return {key: value for key, value in values.items() if key in cls.model_fields} | given

    @model_validator(mode="after")
    def _training(self) -> "Diffusion":
        divisor = SIZES[self.network].shape.divisor
        if self.image_size % divisor:
            raise ValueError(f"image_size {self.image_size}: {self.network} takes multiples of {divisor} pixels")
        if self.batch % (self.processes * self.accumulation):
            parts = f"{self.processes} processes × {self.accumulation} parts"
            raise ValueError(f"batch {self.batch} does not divide by {parts}")
        if self.mse_target == "velocity" and not SIZES[self.network].shape.clean:
            raise ValueError(
                f"mse_target: velocity is for networks that put out the image (tiny, small_64), not for {self.network}"
            )
        if self.keep_every > self.epochs:
            raise ValueError(
                f"keep_every {self.keep_every} is more than the epochs {self.epochs:g}: none would be kept"
            )
        if self.beta_start > self.beta_end or self.beta_end >= 1:
            raise ValueError(f"beta_start {self.beta_start} … beta_end {self.beta_end} must rise and stay below 1")
        return self


class SampledFaces(FaceSetSettings):
    """What every face set drawn from a diffusion generator has."""

    made_by: ClassVar = ("synthesize", "gather_shards")

    generator: GeneratorName = Field(description="The generator.")
    sampler: Literal["ddim", "dpmsolver++"] = Field(
        "ddim",
        description=(
            "ddim: DDIM (CemiFace Sec. 4.1). dpmsolver++: second order, multistep (Lu et al., 2022): as good in "
            "about half the steps (docs/generators.md)."
        ),
    )
    eta: float = Field(
        0.0,
        ge=0,
        le=1,
        description=(
            "η of DDIM: share of fresh noise at every step. 0: none (CemiFace Sec. 4.1, DDIM). 1: as DDPM; DCFace's "
            "code has 1, with 50 steps, its paper does not say."
        ),
    )
    steps: Positive = Field(20, description="Network evaluations per image (CemiFace Sec. 4.1: 20).")
    codec: Literal["jpeg", "png"] = Field("jpeg", description="jpeg: quality 95, 4:4:4. png: exact.")
    batch: Positive = Field(256, description="Images denoised together. Shards are cut at batch boundaries.")
    shards: Positive = Field(1, description="Jobs the synthesis is spread over. The face set does not depend on it.")
    precision: Precision = PRECISION
    compile: bool = COMPILE
    seed: int = SEED

    @model_validator(mode="after")
    def _noise_of_ddim(self) -> "SampledFaces":
        if self.eta and self.sampler != "ddim":
            raise ValueError(f"eta {self.eta:g} is DDIM's; the sampler is {self.sampler}")
        return self


class NegativeIdentity(Settings):
    """Guidance away from another identity: ε′ = ε(C_id) + w (ε(C_id) − ε(C_neg)) (NegFaceDiff, ICCV Workshops 2025)."""

    weight: float = Field(0.5, gt=0, description="w (NegFaceDiff: 0.5). Doubles the cost of a step.")
    identity: Literal["closest", "median", "farthest", "random"] = Field(
        "random", description="Which other inquiry's embedding is C_neg, by its cosine to C_id."
    )


class SyntheticFaces(SampledFaces):
    """Faces drawn from a generator at a requested similarity to one inquiry image per new identity (CemiFace Sec. 3.3)."""

    made_by: ClassVar = ("select_inquiries", "synthesize", "gather_shards")
    renamed: ClassVar = {"further_similarities": "mixed_similarities"}

    source: Literal["synthesis"]
    inquiries: FaceSetName = Field(description="The face set whose images define the new identities.")
    similarity: Similarity = Field(
        0.0, description="Requested similarity m; no meaning for dcface. CemiFace Table 5: best at 0 … 0.1."
    )
    mixed_similarities: tuple[Similarity, ...] = Field(
        (),
        description=(
            "Mixed in: an identity's images are drawn at `similarity` and at these in turn (CemiFace Sec. 4.3: no "
            "gain near 0, a loss from 0.5 on)."
        ),
    )
    styles: FaceSetName | None = Field(
        None,
        description="dcface: the face set the styles X_sty are drawn from; the generator's training set where not given.",
    )
    identities: Positive = Field(10_000, description="New identities (CemiFace Table 6, 0.5M set).")
    per_identity: Positive = Field(50, description="Images per identity (CemiFace Table 6).")
    inquiry_threshold: Similarity = Field(
        0.3, description="Greatest cosine between two inquiries (CemiFace Sec. 4.1, after DCFace); 1: no limit."
    )
    inquiry_embedder: EmbedderName | None = Field(
        None,
        description=(
            "By whose cosine inquiries are told apart; the generator's embedder where not given. One that no loss "
            "has seen does not favour what the generator finds easy."
        ),
    )
    inquiry_novelty: Similarity | None = Field(
        None,
        description=(
            "Leave out candidates that are as similar as this, or more, to the mean center of anyone in the "
            "generator's training set, by the same embedder (DCFace: 0.3, which left 105,446 of 200,000; CemiFace does "
            "not say)."
        ),
    )
    inquiry_rounds: Positive = Field(
        5,
        description=(
            "Passes over the inquiries' face set while too few survive, each with another image of the identities "
            "not taken yet. Our bound; the papers draw once."
        ),
    )
    quality_quantile: float = Field(
        0.05,
        ge=0,
        lt=1,
        description=(
            "Inquiry candidates in this lowest share by embedding norm, or by sharpness, are left out; 0 takes "
            "all. CemiFace Sec. 5: poor inquiries give poor identities, without a number; this one is ours."
        ),
    )
    inquiry_copies: int = Field(
        5,
        ge=0,
        description=(
            "Times the inquiry image itself is added to its class (CemiFace's released log: 5; DCFace Table 3: "
            "better than none). 0 keeps photographs of the inquiries out of the set."
        ),
    )
    center: Literal[*CENTERS, *DRAWN_CENTERS] | None = Field(
        None,
        description=(
            "Condition on the identity centers of the labelled inquiries' face set, not on one image of each, or on nobody's: random "
            "(CemiFace Table 8), or from what is fitted to that set's embeddings: pca (a Gaussian, as Vec2Face's users), vmf_mixture."
        ),
    )
    identity_mixup: Annotated[bool, Operator(another_identity=True)] = Field(
        False,
        description=(
            "Mix each image's identity condition with another inquiry's, φ from the grid 0, 0.05 … 1, labels "
            "two-hot (SynFace identity mixup, on the condition)."
        ),
    )
    angular_perturbation: Annotated[Similarity | None, Operator()] = Field(
        None,
        description=(
            "Turn each image's identity condition by a random angle, its cosine uniform between this and 1 "
            "(IDperturb, CVPR 2026)."
        ),
    )
    negative_identity: Annotated[NegativeIdentity | None, Operator(another_identity=True)] = Field(
        None, description="Guidance away from another identity."
    )

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

"""Generators and how they are trained."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from semihard.settings.base import COMPILE, PRECISION, SEED, Name, Positive, Precision, Settings, Similarity

# network → (source, the values in which a generator of it differs from the defaults below, which are the papers')
NETWORKS: dict[str, tuple[str, dict[str, object]]] = {
    "dcface_112": ("CemiFace, NeurIPS 2024, and where it is silent DCFace, CVPR 2023. 38 GMAC at 112 pixels.", {}),
    "small_64": (
        "Ours, for an evening on one GPU of 12 GB: 64 pixels in folds of 4, 3.3 GMAC.",
        {
            "image_size": 64, "mse": "velocity", "weight_cap": 5.0, "gamma": "one", "condition": "same_identity", "batch": 256, "learning_rate": 5e-4,
            "muon_learning_rate": 0.02, "rate_schedule": "cosine", "warmup_steps": 200, "ema_decay": 0.999, "compile": True,
        },
    ),
    "tiny": (
        "Ours, for minutes on a CPU: 32 pixels in folds of 2, 80 MMAC. The trials that it came out of: docs/results.md.",
        {
            "image_size": 32, "mse": "velocity", "weight_cap": 5.0, "gamma": "one", "condition": "same_identity", "batch": 64, "learning_rate": 2e-3,
            "muon_learning_rate": 0.02, "rate_schedule": "cosine", "warmup_steps": 50, "ema_decay": 0.995,
        },
    ),
}  # fmt: skip


class Diffusion(Settings):
    """What the training of every generator has: the recipe of its network, and any value of it changed. The defaults shown
    are those of `dcface_112`."""

    trained_on: Name = Field(
        description="The face set it learns from. dcface uses its labels, cemiface with `condition: same_identity`."
    )
    network: Literal["tiny", "small_64", "dcface_112"] = Field(
        "dcface_112",
        description="The U-Net, and where the values come from that are not given here (table below): dcface_112, the papers', small_64 for one GPU, tiny for CPUs.",
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
    weight_cap: float | None = Field(
        None,
        gt=0,
        description="γ: greatest weight that L_MSE gives the squared error of x̂0, SNR for ε, SNR + 1 for v (min-SNR-γ, Hang et al., ICCV 2023: 5); the papers have no bound.",
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
    keep_every: int = Field(
        0,
        ge=0,
        description="Keep the averaged weights every so many epochs, for the curve of fidelity over images seen (docs/generators.md); the last step is the result all the same. 0: none but the last.",
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
        description="Where given, Muon (Jordan et al., 2024; torch.optim.Muon) with this rate for matrices and convolution kernels, AdamW for the rest. The papers have AdamW for all.",
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

    def steps(self, images: int) -> int:
        """Optimizer steps in which a set of so many images is seen `epochs` times, rounded, one at least."""
        return max(1, round(self.epochs * images / self.batch))

    @model_validator(mode="before")
    @classmethod
    def _recipe(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("network", "dcface_112") not in NETWORKS:
            return given
        values = NETWORKS[given.get("network", "dcface_112")][1]
        return {key: value for key, value in values.items() if key in cls.model_fields} | given

    @model_validator(mode="after")
    def _training(self) -> "Diffusion":
        divisor = 8 if self.network == "tiny" else 16
        if self.image_size % divisor:
            raise ValueError(f"image_size {self.image_size}: {self.network} takes multiples of {divisor} pixels")
        if self.batch % (self.processes * self.accumulation):
            parts = f"{self.processes} processes × {self.accumulation} parts"
            raise ValueError(f"batch {self.batch} does not divide by {parts}")
        if self.mse == "velocity" and self.network == "dcface_112":
            raise ValueError(
                "mse: velocity is for networks that put out the image (tiny, small_64), not for dcface_112"
            )
        if self.keep_every > self.epochs:
            raise ValueError(
                f"keep_every {self.keep_every} is more than the epochs {self.epochs:g}: none would be kept"
            )
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
    condition: Literal["own_image", "same_identity"] = Field(
        "own_image",
        description="Whose embedding C_id is, and what m is measured against: the image's own (CemiFace Sec. 3.2), or another's of its identity, drawn anew each time, where the face set has labels. From its own embedding a network reads pose and light, too, and then repeats the inquiry's.",
    )
    guide_every: Positive = Field(
        1,
        description="L_SimMat is taken on every so-manieth image of a batch (the papers: 1, on all): where the embedder costs more than the network, its gradient from a part of the batch is the better bargain.",
    )
    gamma: Literal["linear", "half", "one"] = Field(
        "linear",
        description="γ_t in L_SimMat. linear: t/T (CemiFace Eq. 13). half: ½ at all t, the ablation. one: L_sim alone, for short trainings: what asks for cosine 1 whatever m is leaves them no time to learn m.",
    )

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _grid(self) -> "CemiFaceGenerator":
        if self.m_min > self.m_max:
            raise ValueError(f"m_min {self.m_min} is above m_max {self.m_max}")
        if self.batch // (self.processes * self.accumulation) % self.guide_every:
            at_once = self.batch // (self.processes * self.accumulation)
            raise ValueError(
                f"guide_every {self.guide_every} does not divide {at_once}, the images worked off at a time (batch over "
                "processes and accumulation)"
            )
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

    @model_validator(mode="after")
    def _parts(self) -> "DCFaceGenerator":
        if self.batch < 2 * self.processes * self.accumulation:
            raise ValueError("its batch norms need two images at least per process and part: raise batch")
        return self


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

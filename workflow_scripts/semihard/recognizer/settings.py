"""Recognizers and how they are trained."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from semihard.settings.base import COMPILE, PRECISION, FaceSetName, OffByDefault, Positive, Precision, Settings
from semihard.settings.registry import names_of

# facenet-pytorch's network ends in unit vectors, which no margin head is made for; an ONNX graph has no gradients
NOT_TRAINED = ("inception_resnet_v1", "onnx")
BACKBONES = [name for name in names_of("recognizer.backbones") if name not in NOT_TRAINED]

# recipe → (source, the values in which it differs from `cemiface`, whose values are the defaults below)
RECIPES: dict[str, tuple[str, dict[str, object]]] = {
    "cemiface": (
        (
            "CemiFace, NeurIPS 2024, Sec. 4.1, and its released log. The paper's third drop near epoch 37, in the "
            "log alone, is left out."
        ),
        {},
    ),
    "adaface": (
        (
            "AdaFace, CVPR 2022, with the schedule of its authors' later CASIA-WebFace example in CVLface "
            "(warm-up, clipping, no weight decay on normalisation; AdaFace's own scripts have weight decay 1e-4 "
            "and none of these)."
        ),
        {
            "backbone": "ir_50", "head": "adaface", "epochs": 26, "milestones": (12, 20, 24), "warmup_epochs": 1.0, "clip_norm": 5.0,
            "crop_scale": 1.0, "erasing_scale": (0.0, 0.0), "color_jitter": 0.0,
            "crop_in_place": 0.2, "low_resolution": 0.2, "photometric": 0.2,
        },
    ),
    "arcface_torch": (
        (
            "insightface's arcface_torch, its default configuration: ArcFace with the gradient its code has, the "
            "rate falling linearly to zero."
        ),
        {
            "backbone": "iresnet50", "head": "arcface_insightface", "epochs": 20, "rate_schedule": "linear", "milestones": (),
            "clip_norm": 5.0, "crop_scale": 1.0, "erasing_scale": (0.0, 0.0), "color_jitter": 0.0,
        },
    ),
    "synface": (
        (
            "SynFace, ICCV 2021, and its code: 112 × 96 pixels, LResNet50E-IR, ArcFace with s = 30, rate 0.1 in "
            "the paper's command line (0.05 in its file)."
        ),
        {
            "backbone": "ir_50", "width": 96, "head": "arcface", "scale": 30.0, "milestones": (24, 30, 36),
            "crop_scale": 1.0, "zoom_crop": 0.5, "erasing_scale": (0.02, 0.33), "color_jitter": 0.0,
        },
    ),
    "tiny": (
        "Ours, for CPUs: minutes for some thousand faces of 32 pixels.",
        {
            "backbone": "tiny", "embedding_dim": 128, "image_size": 32, "batch": 128, "epochs": 30, "milestones": (20, 26),
            "learning_rate": 0.4, "margin": 0.2, "scale": 32.0,
        },
    ),
}  # fmt: skip


class DomainMixup(Settings):
    """SynFace domain mixup: X = ψ X_syn + (1−ψ) X_real, joint classes (ICCV 2021, Sec. 3.4)."""

    real: FaceSetName = Field(
        description="The face set of real faces that is mixed in; usually a subset of few identities and images."
    )
    same_names: Literal["refuse", "one_class"] = Field(
        "refuse",
        description="An identity name that is in both sets: refuse to train, or take both for one person.",
    )


class Recognizer(Settings):
    """How a recognizer is trained: a named recipe, and any value of it changed. The defaults shown are those of `cemiface`."""

    renamed: ClassVar = {"colour_jitter": "color_jitter"}

    recipe: Literal[*RECIPES] = Field(
        "cemiface", description="Where the values come from that are not given here (table below)."
    )
    backbone: Literal[*BACKBONES] = Field(
        "ir_se_50",
        description=(
            "Network. CemiFace Sec. 4.1: IR-SE-50. iresnet and mbf: insightface's; ir: AdaFace's; mobilefacenet: "
            "Chen et al.; timm: any network of timm, which `timm_model` names; tiny: ten layers of width 16 … 128."
        ),
    )
    timm_model: str = Field(
        "",
        description=(
            "timm's name of the network where the backbone is timm, as `vit_small_patch16_224`: untrained, a linear embedding in "
            "the place of its classifier."
        ),
    )
    embedding_dim: Positive = Field(512, description="Length of the embedding.")
    image_size: Positive = Field(
        112, description="Height in pixels of the network's input, and width; images of other sizes are resized."
    )
    width: Positive | None = Field(
        None, description="Columns kept in the middle of the image; all where not given. SynFace: 96 of 112."
    )
    head: Literal[*names_of("recognizer.heads")] = Field(
        "cosface",
        description=(
            "Margin head (CemiFace Sec. 4.1: CosFace). arcface has the exact gradient of cos(θ + m), "
            "arcface_insightface CosFace's, as insightface's code."
        ),
    )
    margin: float | None = Field(
        None,
        ge=0,
        description=(
            "Margin m; where neither you nor the recipe (for its own head) gives one, the head's published one: "
            "cosface, adaface and uniface 0.4, arcface and curricularface 0.5; magface 0.45, the least of a range "
            "that is 0.35 wide."
        ),
    )
    scale: float = Field(
        64.0,
        gt=0,
        description="Scale s of the logits. CemiFace is silent; 64 by its author's issue and the CosFace paper.",
    )
    sampled_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description=(
            "Share of the class centers that take part in a step, all of the batch's own among them (PartialFC, "
            "CVPR 2022: 0.1 for many identities). 1 is the whole softmax, right below some 100,000."
        ),
    )
    batch: Positive = Field(512, description="Images per optimizer step, over all processes (CemiFace's released log).")
    processes: Positive = Field(
        1,
        description=(
            "Processes that share a batch, one GPU each. Batch norm sees its own process's share, so the result "
            "depends on it."
        ),
    )
    accumulation: Annotated[Positive, OffByDefault()] = Field(
        1,
        description=(
            "Parts a process works its share of a batch off in, so that it fits a small GPU (ours; no paper's recipe "
            "needs it). The gradient is the whole batch's, but batch norm, and the running statistics of adaface and "
            "curricularface, see one part at a time, so the result depends on it."
        ),
    )
    epochs: Positive = Field(40, description="Passes over the face set (CemiFace Sec. 4.1).")
    learning_rate: float = Field(
        0.1, gt=0, description="SGD's rate for a batch of 512 (CemiFace Sec. 4.1); it is scaled with `batch`."
    )
    rate_schedule: Literal["steps", "linear"] = Field(
        "steps", description="steps: a tenth after each milestone. linear: to zero at the end."
    )
    milestones: tuple[int, ...] = Field(
        (26, 34), description="Epochs after which the rate is divided by ten (CemiFace Sec. 4.1)."
    )
    warmup_epochs: float = Field(0.0, ge=0, description="Linear warm-up of the rate; CemiFace has none.")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD (CemiFace's log).")
    weight_decay: float = Field(
        5e-4, ge=0, description="SGD; none on biases and normalisation (CemiFace Sec. 4.1; CVLface for the exception)."
    )
    clip_norm: float | None = Field(
        None, gt=0, description="Greatest norm of the backbone's gradient; CemiFace has none."
    )
    crop_scale: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Random resized crop, least area share; 1 switches it off (CemiFace Sec. 4.1: 0.9 … 1).",
    )
    zoom_crop: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability of a random window of the image enlarged by 7/6 (SynFace's code: 0.5).",
    )
    crop_in_place: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability that all but a box of 0.2 … 1 of the area turns black (AdaFace's crop: 0.2).",
    )
    low_resolution: float = Field(
        0.0, ge=0, le=1, description="Probability of down- and upsampling by 0.2 … 1 of the side (AdaFace: 0.2)."
    )
    photometric: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability of brightness, contrast and saturation times 0.5 … 1.5 (AdaFace: 0.2).",
    )
    color_jitter: float = Field(
        0.1, ge=0, le=0.5, description="Brightness, contrast, saturation and hue, of every image (CemiFace Sec. 4.1)."
    )
    erasing_scale: tuple[float, float] = Field(
        (0.02, 0.1), description="Random erasing, area share; (0, 0) switches it off (CemiFace Sec. 4.1)."
    )
    domain_mixup: DomainMixup | None = Field(None, description="Mix real faces into every batch (SynFace).")
    keep_every: int = Field(
        0,
        ge=0,
        description=(
            "Keep the network after every so many epochs, for the table's best single epoch; 0 keeps the last one "
            "alone. One takes 4 bytes a weight: 175 MB for IR-SE-50."
        ),
    )
    precision: Precision = PRECISION
    compile: bool = COMPILE

    @model_validator(mode="before")
    @classmethod
    def _recipe(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("recipe", "cemiface") not in RECIPES:
            return given
        values = RECIPES[given.get("recipe", "cemiface")][1]
        if given.get("head") not in (None, values.get("head", "cosface")):
            values = {key: value for key, value in values.items() if key != "margin"}  # it was chosen for another head
        return values | given

    @model_validator(mode="after")
    def _fits(self) -> "Recognizer":
        if self.batch % (self.processes * self.accumulation):
            parts = f" × {self.accumulation} parts (accumulation)" if self.accumulation > 1 else ""
            raise ValueError(f"a batch of {self.batch} does not divide among {self.processes} processes{parts}")
        if (self.backbone == "timm") != bool(self.timm_model):
            raise ValueError("timm_model names the network of backbone timm, and of no other: give both, or neither")
        if self.batch == self.processes * self.accumulation:
            raise ValueError("batch norm needs two images or more in each process and part; raise `batch`")
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=1) < 1:
            raise ValueError(f"milestones {list(self.milestones)} must be epochs from 1 on, in rising order")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} are more than the epochs {self.epochs}")
        if self.keep_every > self.epochs:
            raise ValueError(f"keep_every {self.keep_every} is more than the epochs {self.epochs}: none would be kept")
        if self.width and self.width > self.image_size:
            of = f" of recipe {self.recipe}" if RECIPES[self.recipe][1].get("width") == self.width else ""
            raise ValueError(f"width {self.width}{of} is more than the image_size {self.image_size} it is cut from")
        if (
            self.erasing_scale[0] > self.erasing_scale[1]
            or not 0 <= self.erasing_scale[0] <= self.erasing_scale[1] <= 1
        ):
            raise ValueError(f"erasing_scale {list(self.erasing_scale)} is no range within 0 … 1")
        return self

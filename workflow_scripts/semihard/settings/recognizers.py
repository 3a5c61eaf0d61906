"""Recognizers and how they are trained."""

from typing import Literal

from pydantic import Field

from semihard.settings.base import PRECISION, Name, Positive, Precision, Settings


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

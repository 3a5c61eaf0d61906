"""Knobs of DCFace (CVPR 2023), and what it needs."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from semihard.generator.settings import Diffusion
from semihard.settings.base import EmbedderName, Positive


class DCFaceGenerator(Diffusion):
    """The baseline: identity from one image, style from another of the same person (DCFace, CVPR 2023)."""

    conditioned_on: ClassVar = "image"
    learns_from_labels: ClassVar = True
    images_at_least: ClassVar = 2
    extractors: ClassVar = {"dcface_112": "iresnet50", "small_64": "iresnet18", "tiny": "tiny"}  # E_id, by network

    method: Literal["dcface"]
    embedder: EmbedderName = Field(
        description=(
            "Frozen: its early layers see the style, its embedding both identity losses; class centers are mean "
            "embeddings by it."
        )
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

"""The entry of a generator that comes as a file, and the settings of every method, by its name."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from semihard.generator.settings import Diffusion
from semihard.settings import registry
from semihard.settings.base import (
    PRECISION,
    SEED,
    SHA256,
    EmbedderName,
    FaceSetName,
    GeneratorSettings,
    Precision,
    UserFile,
)
from semihard.storage.pipeline_folder import GENERATOR

METHODS = {
    name: registry.class_of(registry.load("generator.methods", name, "settings"), Diffusion)
    for name in registry.names_of("generator.methods")
}  # what they say of themselves: conditioned_on, takes_similarity …


class FileGenerator(GeneratorSettings):
    """A generator of another study: its file says how it is to be used, and nothing is trained."""

    # what `Diffusion` has; None: only the file tells it
    made_by: ClassVar = ("import_generator",)
    keep_every: ClassVar = 0
    timesteps: ClassVar = None
    image_size: ClassVar = None

    source: Literal["file"]
    path: Annotated[
        str, UserFile("a generator's model.safetensors, or the folder of its pipeline, is expected", GENERATOR)
    ] = Field(
        description=(
            "A generator's `model.safetensors` of this workflow, or the folder of its pipeline (docs/generators.md). `~` and "
            "environment variables are expanded."
        )
    )
    sha256: str | None = SHA256
    method: Literal[*METHODS] = Field("cemiface", description="The method it was trained by.")
    embedder: EmbedderName | None = Field(
        None, description="The very embedder it was trained with; for all methods but ddpm."
    )
    trained_on: FaceSetName | None = Field(
        None,
        description=(
            "The face set it was trained on, where that is at hand: what it draws is audited against it, and "
            "inquiry_novelty and the styles of dcface need it."
        ),
    )
    precision: Precision = PRECISION
    seed: int = SEED

    @model_validator(mode="after")
    def _guided(self) -> "FileGenerator":
        needs = "embedder" in METHODS[self.method].model_fields
        if needs and self.embedder is None:
            raise ValueError(f"embedder is missing, which a {self.method} generator was trained with")
        if not needs and self.embedder is not None:
            raise ValueError(f"embedder: a {self.method} generator has none; leave it out")
        return self

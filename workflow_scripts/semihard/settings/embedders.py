"""Embedders: what measures similarity."""

from typing import Annotated, Literal

from pydantic import Field

from semihard.settings.base import Name, Settings


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
        "iresnet18",
        "iresnet34",
        "iresnet50",
        "iresnet100",
        "iresnet200",
        "mbf",
        "mbf_large",
        "adaface_ir_18",
        "adaface_ir_50",
        "adaface_ir_101",
        "adaface_ir_se_50",
        "mobilefacenet_facexzoo",
        "mobilefacenet_112x96",
    ] = Field(
        description="Whose state dict it is; fixes the network, its colour order, crop and scale (docs/embedders.md)."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Refuse the file where its checksum is another."
    )


EmbedderEntry = Annotated[RecognizerEmbedder | FacenetEmbedder | WeightsEmbedder, Field(discriminator="source")]

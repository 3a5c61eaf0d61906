"""Embedders, what measures similarity, and the faces of one similarity bin."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from semihard.settings.base import (
    CENTERS,
    SHA256,
    EmbedderName,
    EmbedderSettings,
    FaceSetName,
    FaceSetSettings,
    Positive,
    RecognizerName,
    UserFile,
)
from semihard.settings.binning import BINNING, count_of_bins
from semihard.settings.registry import names_of
from semihard.storage.pipeline_folder import EMBEDDER


class RecognizerEmbedder(EmbedderSettings):
    """A recognizer trained in this study: CemiFace's own choice, trained on the very set it embeds."""

    made_by: ClassVar = ("train_recognizer",)
    source: Literal["recognizer"]
    recognizer: RecognizerName = Field(description="The recognizer.")
    trained_on: FaceSetName = Field(description="The face set it is trained on.")
    seed: int = Field(0, ge=0, description="Which of its training seeds.")


class FacenetEmbedder(EmbedderSettings):
    """facenet-pytorch's InceptionResnetV1."""

    source: Literal["facenet"]
    pretrained: Literal["vggface2", "casia-webface"] = Field("vggface2", description="Which of its two weight files.")
    path: Annotated[str | None, UserFile("the weight file of facenet-pytorch's release v2.2.9 is expected")] = Field(
        None, description="The weight file where it has been fetched already; else facenet-pytorch's download folder."
    )


class WeightsEmbedder(EmbedderSettings):
    """A pretrained recognizer whose state dict the user has."""

    source: Literal["weights"]
    path: Annotated[str, UserFile("a PyTorch state dict or safetensors file is expected")] = Field(
        description="PyTorch state dict or safetensors. `~` and environment variables are expanded."
    )
    layout: Literal[*names_of("similarity.layouts")] = Field(
        description="Whose state dict it is; fixes the network, its colour order, crop and scale (docs/embedders.md)."
    )
    sha256: str | None = SHA256


PerChannel = float | tuple[float, float, float]
Divisor = Annotated[float, Field(gt=0)]
DivisorPerChannel = Divisor | tuple[Divisor, Divisor, Divisor]
COLOUR = "Order of the channels that the network expects."
MEAN = "Grey level, 0 … 255, taken off every channel, or one for each in the order of `colour`; InsightFace's is 127.5."
SCALE = "Grey levels that it is divided by then, or one for each channel; InsightFace's is 127.5."
SIZE = "Height and width, in pixels, of what the network expects; images of other sizes are resized."


class OnnxEmbedder(EmbedderSettings):
    """A recognizer as an ONNX file, run by onnxruntime. It measures; it cannot guide the training of a generator."""

    source: Literal["onnx"]
    path: Annotated[str, UserFile("an .onnx file is expected")] = Field(
        description="The file, whole: one without weights in files beside it. `~` and environment variables are expanded."
    )
    image_size: tuple[Positive, Positive] | None = Field(
        None, description=f"{SIZE} As the file says, where it states it or takes no other."
    )
    colour: Literal["rgb", "bgr"] | None = Field(
        None, description=f"{COLOUR} To be given, with mean and scale, where the file was not written by this workflow."
    )
    mean: PerChannel | None = Field(None, description=MEAN)
    scale: DivisorPerChannel | None = Field(None, description=SCALE)
    axes: Literal["nchw", "nhwc"] = Field("nchw", description="Order of the axes of its input; PyTorch's is nchw.")
    output: str | None = Field(None, description="The output that is the embedding, where there are several.")
    sha256: str | None = SHA256


class TimmEmbedder(EmbedderSettings):
    """A network of timm with a linear embedding in the place of its classifier, and the user's weights of it."""

    source: Literal["timm"]
    model: str = Field(min_length=1, description="timm's name of the network: `resnet50`, `vit_small_patch16_224` …")
    path: Annotated[str, UserFile("a PyTorch state dict or safetensors file is expected")] = Field(
        description="State dict of `timm.create_model(model, num_classes=embedding_dim)`. `~` and variables are expanded."
    )
    embedding_dim: Positive = Field(512, description="Length of the embedding.")
    image_size: tuple[Positive, Positive] = Field((112, 112), description=SIZE)
    colour: Literal["rgb", "bgr"] = Field("rgb", description=COLOUR)
    mean: PerChannel = Field(127.5, description=MEAN)
    scale: DivisorPerChannel = Field(127.5, description=SCALE)
    sha256: str | None = SHA256


class FileEmbedder(EmbedderSettings):
    """A recognizer or an embedder of another study: its file says how it is to be used."""

    source: Literal["file"]
    path: Annotated[
        str,
        UserFile("a model.safetensors that this workflow wrote, or the folder of a pipeline, is expected", EMBEDDER),
    ] = Field(
        description=(
            "A `model.safetensors` of this workflow, or the folder of a generator's pipeline, whose embedder it then is. `~` "
            "and environment variables are expanded."
        )
    )
    sha256: str | None = SHA256


class SimilarityBinFaces(FaceSetSettings):
    """The faces of one similarity bin: CemiFace's discovery experiment (NeurIPS 2024, Sec. 3.1)."""

    made_by: ClassVar = ("extract_bin",)
    source: Literal["similarity_bin"]
    of: FaceSetName = Field(description="The face set to split.")
    embedder: EmbedderName = Field(description="The embedder that measures similarity.")
    center: Literal[*CENTERS] = Field(
        "class_weight",
        description=(
            "Identity center: the class weight of the recognizer trained on the set (CemiFace Sec. 3.1) or the "
            "mean embedding."
        ),
    )
    binning: str = Field(
        "quantile-5",
        pattern=f"^({BINNING})$",
        description=(
            "quantile-5: five equal bins per identity by rank (CemiFace Table 9). threshold-0.3-0.6: global thresholds."
        ),
    )
    bin: int = Field(ge=0, description="Which bin; 0 holds the most similar images.")

    @model_validator(mode="after")
    def _bin(self) -> "SimilarityBinFaces":
        bins = count_of_bins(self.binning)
        if self.bin >= bins:
            raise ValueError(f"{self.binning} has bins 0 to {bins - 1}, not {self.bin}")
        return self

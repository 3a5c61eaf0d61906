"""What a method of generation is to the workflow: the functions of generator/methods/<name>/method.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from diffusers import DDPMScheduler

from semihard.compute.decoded_images import DecodedImages
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.objective import Objective
from semihard.generator.samplers import Predict
from semihard.generator.settings import Diffusion, SyntheticFaces, UnconditionalFaces
from semihard.settings import registry
from semihard.similarity.embedders import Embedder
from semihard.storage.faceset import FaceSet


@dataclass(frozen=True)
class TrainingData:
    """What an objective learns from.

    images: those of `faces` at the generator's size, uint8 `[n, 3, s, s]` for numbers int64 `[n]`; embeddings: theirs, unit,
    float32 `[N, D]` on the CPU; embedder: frozen, on `device`. The last two are None for a method without an embedder.
    """

    faces: FaceSet
    images: DecodedImages
    device: torch.device
    embeddings: torch.Tensor | None = None
    embedder: Embedder | None = None


@dataclass(frozen=True)
class Conditioned:
    """n images: `predict` under their conditions, the columns that tell these, and the unit embeddings `[n, D]` that the
    achieved similarity is measured to, None for none."""

    predict: Predict
    columns: dict[str, np.ndarray]
    aim: torch.Tensor | None = None


Conditioning = Callable[[np.ndarray, np.ndarray], Conditioned]  # of images (identity, index), int64 `[n]` each


@dataclass(frozen=True)
class Synthesis:
    """What a method conditions the images of a face set with: those that it does not need are None.

    inquiries: the artifact; inquiry_faces, style_faces: paths of face sets.
    """

    settings: SyntheticFaces | UnconditionalFaces
    network: Denoiser
    spec: GeneratorSpec
    device: torch.device
    embedder: Embedder | None = None
    inquiries: dict[str, np.ndarray] | None = None
    inquiry_faces: Path | str | None = None
    style_faces: Path | str | None = None


@dataclass(frozen=True)
class TrainingImages:
    """Some images of a training set of `count`: their numbers `rows` int64 `[n]` in it, pixels uint8 `[n, 3, s, s]` at the
    generator's size on its device; seed: of what is drawn for them."""

    rows: np.ndarray
    count: int
    pixels: torch.Tensor
    seed: int


class Method(Protocol):
    """The functions of a method's module. Its settings, beside it, say what it needs (generator.settings.Diffusion)."""

    def options(self, settings: Diffusion, embedder: Embedder | None) -> dict[str, object]:
        """What the generator's file says of the method besides what every generator has: plain values."""
        ...

    def build_network(self, spec: GeneratorSpec, schedule: DDPMScheduler) -> Denoiser:
        """The network with fresh weights."""
        ...

    def empty_conditions(self, spec: GeneratorSpec, empty: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
        """What the network takes besides x_t and t, by `empty(*shape of one image)`: to count its operations."""
        ...

    def build_objective(self, settings: Diffusion, data: TrainingData) -> Objective:
        """What the generator is trained to do. Raises InputError where the face set does not serve it."""
        ...

    def condition_faceset(self, synthesis: Synthesis) -> Conditioning:
        """What the images of a face set are conditioned on."""
        ...

    def condition_training_images(
        self, images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: Embedder | None
    ) -> Predict:
        """ε′ as the network is trained to predict it for images of its training set."""
        ...


class SimilarityMethod(Method, Protocol):
    """What a method has besides where its settings say `takes_similarity`."""

    def similarities(self, spec: GeneratorSpec, count: int) -> np.ndarray:
        """`count` similarities m, float64, evenly over what the generator was trained on, or the only one there is."""
        ...

    def condition_similarity(self, network: Denoiser, identity: torch.Tensor, m: torch.Tensor) -> Predict:
        """ε′ of images asked to be like unit embeddings `[n, D]` by m `[n]`."""
        ...


def method_named(name: str) -> Method:
    """A method's module. Raises InputError where none has this name."""
    return registry.load("generator.methods", name, "method")


def settings_named(name: str) -> type[Diffusion]:
    """The settings of a method, which say what it needs."""
    return registry.class_of(registry.load("generator.methods", name, "settings"), Diffusion)

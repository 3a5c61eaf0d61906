"""What is sampled: ε′ under the conditions of a batch of images. Each method has its own (generator/methods)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict
from semihard.generator.settings import SyntheticFaces, UnconditionalFaces
from semihard.similarity.embedders import Embedder


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

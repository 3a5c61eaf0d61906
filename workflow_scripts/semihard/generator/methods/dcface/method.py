"""DCFace (CVPR 2023): who from one image, how from another."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDPMScheduler

from semihard.compute.seeds import seed_for
from semihard.compute.tensors import resize, to_float
from semihard.generator.inquiries import read_inquiry_images
from semihard.generator.method import Conditioned, Conditioning, Synthesis, TrainingData, TrainingImages, settings_named
from semihard.generator.methods.dcface.network import DCFaceUNet, StyleFeatures, condition
from semihard.generator.methods.dcface.objective import DCFaceObjective
from semihard.generator.methods.dcface.settings import DCFaceGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict
from semihard.similarity.embedders import Embedder
from semihard.storage.faceset import FaceSet


def options(settings: DCFaceGenerator, embedder: Embedder) -> dict[str, object]:
    """Grid and channels of the style features."""
    return {"style_grid": settings.style_grid, "style_channels": StyleFeatures(embedder).channels}


def build_network(spec: GeneratorSpec, schedule: DDPMScheduler) -> Denoiser:
    """The network with fresh weights."""
    grid, channels = spec.options["style_grid"], spec.options["style_channels"]
    extractor = settings_named(spec.method).extractors[spec.network]
    return DCFaceUNet(spec.network, spec.image_size, schedule, grid, channels, extractor)


def empty_conditions(spec: GeneratorSpec, empty: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """X_id and the style features."""
    half = spec.image_size // 2
    return [empty(3, spec.image_size, spec.image_size), empty(spec.options["style_channels"], half, half)]


def build_objective(settings: DCFaceGenerator, data: TrainingData) -> DCFaceObjective:
    """L = L_MSE + λ L_ID over pairs of one person."""
    images = {"images": data.images, "embeddings": data.embeddings}
    return DCFaceObjective(settings, data.faces, **images, embedder=data.embedder, device=data.device)


def condition_faceset(synthesis: Synthesis) -> Conditioning:
    """Who from the inquiry's image, how from an image of the styles' face set, drawn per (seed, identity, index)."""
    settings, network, device, size = synthesis.settings, synthesis.network, synthesis.device, synthesis.spec.image_size
    inquiries, style_features = synthesis.inquiries, StyleFeatures(synthesis.embedder)
    faces, styles = FaceSet(synthesis.inquiry_faces), FaceSet(synthesis.style_faces)

    def floating(images: np.ndarray) -> torch.Tensor:
        return to_float(resize(torch.from_numpy(images).permute(0, 3, 1, 2), size).to(device))

    def conditioned(identity: np.ndarray, index: np.ndarray) -> Conditioned:
        seeds = (seed_for(settings.seed, "style", i, k) for i, k in zip(identity.tolist(), index.tolist(), strict=True))
        rows = [np.random.default_rng(seed).integers(len(styles)) for seed in seeds]
        present, inverse = np.unique(identity, return_inverse=True)  # an inquiry's image is decoded once per batch
        x_id = floating(read_inquiry_images(faces, inquiries["source_index"][present], size)[inverse])
        predict = condition(network, style_features, x_id, floating(styles.images(rows)))
        n = len(identity)
        columns = {"m": np.full(n, np.nan, np.float32), "partner": np.full(n, -1, np.int32)}
        columns["phi"] = np.ones(n, np.float32)
        return Conditioned(predict, columns, torch.from_numpy(inquiries["embedding"][identity]).to(device))

    return conditioned


def condition_training_images(
    images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: Embedder
) -> Predict:
    """ε′ for images of the training set, each in the style of the one before it."""
    x = to_float(images.pixels)
    return condition(network, StyleFeatures(guide), x, x.roll(1, 0))

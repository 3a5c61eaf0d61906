"""CemiFace (NeurIPS 2024): an inquiry's embedding at a similarity m."""

import logging
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import nn

from semihard.generator.conditions import draw_conditions, modules_of
from semihard.generator.method import Conditioned, Conditioning, Synthesis, TrainingData, TrainingImages
from semihard.generator.methods.cemiface.network import SimilarityUNet
from semihard.generator.methods.cemiface.objective import CemiFaceObjective, conditions_from
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.methods.cemiface.similarity_range import SimilarityRange
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict
from semihard.similarity.embedders import Embedder

log = logging.getLogger("semihard")


def options(settings: CemiFaceGenerator, embedder: Embedder) -> dict[str, object]:
    """The similarities trained on."""
    return {"m_min": settings.m_min, "m_max": settings.m_max, "m_step": settings.m_step}


def build_network(spec: GeneratorSpec, schedule: DDPMScheduler) -> Denoiser:
    """The network with fresh weights."""
    return SimilarityUNet(spec.network, spec.image_size, schedule, spec.embedding_dim)


def empty_conditions(spec: GeneratorSpec, empty: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """C_id and m."""
    return [empty(spec.embedding_dim), empty()]


def build_objective(settings: CemiFaceGenerator, data: TrainingData) -> CemiFaceObjective:
    """L = L_MSE + λ L_SimMat on a training set (Eq. 14)."""
    same_identity = conditions_from(settings, data.faces)
    return CemiFaceObjective(settings, data.embeddings, data.embedder, data.device, same_identity)


def similarities(spec: GeneratorSpec, count: int) -> np.ndarray:
    """`count` similarities evenly from m_min to m_max, or the only one there is."""
    return SimilarityRange.of(spec.options).evenly(count)


def condition_similarity(network: Denoiser, identity: torch.Tensor, m: torch.Tensor) -> Predict:
    """ε′ at C_id and m."""
    return partial(network, identity=identity, m=m)


def condition_faceset(synthesis: Synthesis) -> Conditioning:
    """Inquiries' unit embeddings at the similarities asked for, changed by the operators that the settings name."""
    settings, network, device = synthesis.settings, synthesis.network, synthesis.device
    embeddings = torch.from_numpy(synthesis.inquiries["embedding"])
    operators = modules_of(settings)
    for m in (settings.similarity, *settings.mixed_similarities):
        warn_outside(m, SimilarityRange.of(synthesis.spec.options))

    def conditioned(identity: np.ndarray, index: np.ndarray) -> Conditioned:
        drawn = draw_conditions(settings, embeddings, identity, index)
        C_id, m = drawn.identity.to(device), drawn.m.to(device)

        def under(other: torch.Tensor) -> Predict:
            return partial(network, identity=other.to(device), m=m)

        predict = under(C_id)
        for operator in operators:
            if hasattr(operator, "steer"):
                predict = operator.steer(settings, drawn, predict, under)
        return Conditioned(predict, {"m": drawn.m.numpy(), "partner": drawn.partner, "phi": drawn.phi}, C_id)

    return conditioned


def condition_training_images(
    images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: Embedder
) -> Predict:
    """ε′ as the network is trained to predict it for images of its training set, each with one of the similarities
    trained on, drawn by the seed for the whole set."""
    grid, pixels = SimilarityRange.of(spec.options).grid(), images.pixels
    m = grid[np.random.default_rng(images.seed).integers(len(grid), size=images.count)[images.rows]]
    return partial(network, identity=nn.functional.normalize(guide.embed(pixels)), m=m.to(pixels.device))


def warn_outside(m: float, trained_on: SimilarityRange) -> None:
    """Warn where the similarity asked for lies outside what the generator was trained on."""
    least, greatest = trained_on.m_min, trained_on.greatest
    if not least - 1e-6 <= m <= greatest + 1e-6:
        log.warning("similarity %g lies outside the %g … %g this generator was trained on", m, least, greatest)

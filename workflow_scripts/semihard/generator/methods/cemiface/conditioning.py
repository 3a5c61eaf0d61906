"""Inquiries at a similarity (CemiFace, NeurIPS 2024, Sec. 3.3)."""

import logging
from functools import partial

import numpy as np
import torch
from torch import nn

from semihard.generator.conditioning import Conditioned, Conditioning, Synthesis, TrainingImages
from semihard.generator.conditions import draw_conditions, modules_of
from semihard.generator.methods.cemiface.similarity_range import SimilarityRange
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.samplers import Predict
from semihard.similarity.embedders import Embedder

log = logging.getLogger("semihard")


def of_faceset(synthesis: Synthesis) -> Conditioning:
    """Inquiries' unit embeddings at the similarities asked for, changed by the operators that the settings name."""
    settings, network, device = synthesis.settings, synthesis.network, synthesis.device
    embeddings = torch.from_numpy(synthesis.inquiries["embedding"])
    operators = modules_of(settings)
    for m in (settings.similarity, *settings.mixed_similarities):
        warn_outside(m, SimilarityRange(**synthesis.spec.options))

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


def of_training_images(images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: Embedder) -> Predict:
    """ε′ as the network is trained to predict it for images of its training set, each with one of the similarities
    trained on, drawn by the seed for the whole set."""
    grid, pixels = SimilarityRange(**spec.options).grid(), images.pixels
    m = grid[np.random.default_rng(images.seed).integers(len(grid), size=images.count)[images.rows]]
    return partial(network, identity=nn.functional.normalize(guide.embed(pixels)), m=m.to(pixels.device))


def warn_outside(m: float, trained_on: SimilarityRange) -> None:
    """Warn where the similarity asked for lies outside what the generator was trained on."""
    least, greatest = trained_on.m_min, trained_on.greatest
    if not least - 1e-6 <= m <= greatest + 1e-6:
        log.warning("similarity %g lies outside the %g … %g this generator was trained on", m, least, greatest)

"""What a batch of images is asked to be: ε′ under its conditions, by the generator's method."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from semihard.compute.seeds import seed_for
from semihard.compute.tensors import resize, to_float
from semihard.generator.conditions import draw_conditions, guided
from semihard.generator.dcface import DCFaceUNet, StyleFeatures, condition
from semihard.generator.inquiries import read_inquiry_images
from semihard.generator.network import SimilarityUNet, UnconditionalUNet
from semihard.generator.samplers import Predict
from semihard.settings import SyntheticFaces
from semihard.similarity.embedders import Embedder
from semihard.storage.faceset import FaceSet


@dataclass(frozen=True)
class Asked:
    """n images: `predict` under their conditions, the columns that tell these, and the unit embeddings `[n, D]` that the
    achieved similarity is measured to, None for none."""

    predict: Predict
    columns: dict[str, np.ndarray]
    aim: torch.Tensor | None = None


Ask = Callable[[np.ndarray, np.ndarray], Asked]  # of images (identity, index), int64 `[n]` each


def ask_anyone(network: UnconditionalUNet) -> Ask:
    """No condition (DDPM; Ho et al., NeurIPS 2020)."""
    return lambda identity, index: Asked(network, {})


def ask_similarity(
    settings: SyntheticFaces, network: SimilarityUNet, inquiries: np.ndarray, device: torch.device
) -> Ask:
    """Inquiries' unit embeddings `[Q, D]` at a similarity (CemiFace, NeurIPS 2024, Sec. 3.3), changed as asked for."""
    embeddings = torch.from_numpy(inquiries)

    def ask(identity: np.ndarray, index: np.ndarray) -> Asked:
        drawn = draw_conditions(settings, embeddings, identity, index)
        C_id, m = drawn.identity.to(device), drawn.m.to(device)
        predict = partial(network, identity=C_id, m=m)
        if drawn.negative is not None:
            away = partial(network, identity=drawn.negative.to(device), m=m)
            predict = guided(predict, away, settings.negative_identity.weight)
        return Asked(predict, {"m": drawn.m.numpy(), "partner": drawn.partner, "phi": drawn.phi}, C_id)

    return ask


def ask_style(
    settings: SyntheticFaces,
    network: DCFaceUNet,
    embedder: Embedder,
    inquiries: dict[str, np.ndarray],
    inquiry_faces_path: Path | str,
    style_faces_path: Path | str,
    size: int,
    device: torch.device,
) -> Ask:
    """Who from the inquiry's image, how from an image of the styles' face set, drawn per (seed, identity, index) (DCFace,
    CVPR 2023); both at `size` pixels."""
    faces, styles, style_features = FaceSet(inquiry_faces_path), FaceSet(style_faces_path), StyleFeatures(embedder)

    def floating(images: np.ndarray) -> torch.Tensor:
        return to_float(resize(torch.from_numpy(images).permute(0, 3, 1, 2), size).to(device))

    def ask(identity: np.ndarray, index: np.ndarray) -> Asked:
        seeds = (seed_for(settings.seed, "style", i, k) for i, k in zip(identity.tolist(), index.tolist(), strict=True))
        rows = [np.random.default_rng(seed).integers(len(styles)) for seed in seeds]
        present, inverse = np.unique(identity, return_inverse=True)  # an inquiry's image is decoded once per batch
        x_id = floating(read_inquiry_images(faces, inquiries["source_index"][present], size)[inverse])
        predict = condition(network, style_features, x_id, floating(styles.images(rows)))
        n = len(identity)
        columns = {"m": np.full(n, np.nan, np.float32), "partner": np.full(n, -1, np.int32)}
        columns["phi"] = np.ones(n, np.float32)
        return Asked(predict, columns, torch.from_numpy(inquiries["embedding"][identity]).to(device))

    return ask

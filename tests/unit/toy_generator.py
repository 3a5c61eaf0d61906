"""Toys for the tests of the generator: sixteen-pixel faces, an untrained embedder, a generator with random weights."""

from pathlib import Path

import numpy as np
import torch

from semihard.generator.methods.dcface.network import StyleFeatures
from semihard.generator.model_file import GeneratorSpec, save_generator
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model, weights_digest
from semihard.similarity.embedders import load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance

SIZE, DIM = 16, 8


def toy_images(count: int, seed: int = 0) -> np.ndarray:
    """Smooth coloured images, uint8 `[count, 16, 16, 3]`."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((count, 3, 3, 3)))
    fine = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear")
    return fine.mul(255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def toy_faces(path: Path, identities: int, per_identity: int) -> Path:
    with FaceSetWriter(path, (SIZE, SIZE), "png") as writer:
        names = [f"person{i}" for i in range(identities) for _ in range(per_identity)]
        writer.add(toy_images(identities * per_identity), names)
    return path


def toy_embedder(path: Path, dim: int = DIM, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    backbone = build_backbone("tiny", (SIZE, SIZE), dim)
    for _ in range(20):  # running statistics, so that embeddings differ between images
        backbone(torch.from_numpy(toy_images(32, seed)).permute(0, 3, 1, 2) / 127.5 - 1)
    save_model(path, backbone, EmbedderSpec("tiny", (SIZE, SIZE), dim))
    return path


def toy_generator(path: Path, embedder: Path, method: str = "cemiface", m_min: float = -1.0) -> Path:
    torch.manual_seed(1)
    known = {"embedding_dim": DIM, "embedder_sha256": weights_digest(embedder)}
    about = {
        "cemiface": known | {"m_min": m_min, "m_max": 1.0, "m_step": 0.04},
        "dcface": known | {"style_grid": 2, "style_channels": StyleFeatures(load_embedder(embedder)).channels},
        "ddpm": {},
    }
    known = {"method": method, "network": "tiny", "image_size": SIZE, "timesteps": 1000}
    spec = GeneratorSpec.of(known | {"beta_start": 1e-4, "beta_end": 0.02} | about[method])
    network = spec.build()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    save_generator(path, network, spec, Provenance(rule="toy"))
    return path


def toy_inquiries(path: Path, count: int, dim: int = DIM) -> Path:
    embedding = np.random.default_rng(2).normal(size=(count, dim)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    names = [f"person{i}" for i in range(count)]
    data = {"source_index": np.arange(count), "source_name": names, "embedding": embedding}
    write_artifact(path, schemas.INQUIRIES, data | {"nearest": np.zeros(count)})
    return path

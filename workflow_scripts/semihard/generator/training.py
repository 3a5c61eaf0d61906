"""Training of the similarity-controlled generator (CemiFace, NeurIPS 2024, Sec. 3.2 and 4.1)."""

import math
from pathlib import Path

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from semihard.artifacts import write_artifact
from semihard.checkpoint import Resume
from semihard.decoded import decode_all
from semihard.device import autocast, best_device
from semihard.engine import batch_indices, train
from semihard.faceset import FaceSet
from semihard.generator.model_file import GeneratorSpec, save_generator, sha256_of
from semihard.generator.network import SimilarityUNet
from semihard.generator.objective import generator_losses, noise_schedule, similarity_grid
from semihard.progress import progress
from semihard.provenance import Provenance
from semihard.settings import Generator
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.tensors import to_float

EMBEDDING_BATCH = 256


def train_generator(
    settings: Generator,
    faces_path: Path | str,
    embedder_model_path: Path | str,
    output_model: Path | str,
    output_history: Path | str,
    provenance: Provenance,
) -> None:
    """Train on all images of a face set, labels unused; write the averaged weights and the history of the losses.

    The condition and anchor E(x) is the unit embedding of image plus mirror image, what an inquiry carries too. It is
    computed once, since images are not augmented. Going on after a kill gives the same weights (engine.train).
    Raises InputError for bad input, NonFiniteLossError where training diverges.
    """
    device = best_device()
    embedder = load_embedder(embedder_model_path, device)
    schedule = noise_schedule(settings.timesteps, settings.beta_start, settings.beta_end)
    torch.manual_seed(settings.seed)
    network = SimilarityUNet(settings.network, settings.image_size, embedder.embedding_dim, schedule)
    network = network.to(device, memory_format=torch.channels_last).train()
    images = decode_all(FaceSet(faces_path), settings.image_size)
    identities = embed_all(embedder, images)

    grid = similarity_grid(settings.m_min, settings.m_max, settings.m_step).to(device)
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay, fused=device.type != "mps"
    )
    average = WeightAverage(
        parameters, decay=settings.ema_decay, use_ema_warmup=True, inv_gamma=1.0, power=settings.ema_power, foreach=True
    )

    def batch_of(i: int) -> np.ndarray:
        return batch_indices(i, settings.batch, len(images), settings.seed)

    steps = max(1, round(settings.epochs * len(images) / settings.batch))

    def step(i: int) -> dict[str, torch.Tensor]:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, i, steps)
        indices = torch.from_numpy(batch_of(i))
        x = to_float(images[indices].to(device))
        identity = identities[indices].to(device)
        m = grid[torch.randint(len(grid), (len(x),), device=device)]
        t = torch.randint(settings.timesteps, (len(x),), device=device)
        eps = torch.randn_like(x)
        with autocast(device, settings.precision):
            losses = generator_losses(
                network, embedder, schedule, x, identity, m, t, eps, settings.lambda_, settings.mse
            )
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        average.step(parameters)
        return {name: loss.detach() for name, loss in losses.items()}

    state = {"network": network, "optimizer": optimizer, "average": average}
    resume = Resume(output_model, provenance, [faces_path, embedder_model_path])
    history = train("train generator", step, steps, state, resume, settings.seed, batch_of)

    average.copy_to(parameters)
    names = ("network", "image_size", "timesteps", "beta_start", "beta_end", "m_min", "m_max", "m_step")
    spec = GeneratorSpec(
        **{name: getattr(settings, name) for name in names},
        embedding_dim=embedder.embedding_dim,
        embedder_sha256=sha256_of(embedder_model_path),
    )
    losses = {f"columns/{name}": values for name, values in history.items() if name != "step"}
    write_artifact(output_history, "history", {"step": history["step"]} | losses, provenance)
    save_generator(output_model, network, spec, provenance)
    resume.discard()


class WeightAverage(EMAModel):
    """diffusers' average of the weights; a checkpoint goes to the device of the weights, where diffusers leaves it on the CPU."""

    def load_state_dict(self, state_dict: dict) -> None:
        device = self.shadow_params[0].device
        super().load_state_dict(state_dict)
        self.to(device)


@torch.no_grad()
def learning_rate(settings: Generator, step: int, steps: int) -> float:
    """Of optimizer step `step` of `steps`: linear warm-up, then constant or cosine to zero."""
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    decay = (1 + math.cos(math.pi * step / steps)) / 2 if settings.rate_schedule == "cosine" else 1.0
    return settings.learning_rate * warm * decay


def embed_all(embedder: Embedder, images: torch.Tensor) -> torch.Tensor:
    """Unit embeddings float32 `[N, D]`, on the CPU, of uint8 images `[N, 3, h, w]`."""
    parts = []
    with progress("embed", len(images), "images") as advance:
        for batch in images.split(EMBEDDING_BATCH):
            parts.append(nn.functional.normalize(embedder.embed(batch)).cpu())
            advance(len(batch))
    return torch.cat(parts)

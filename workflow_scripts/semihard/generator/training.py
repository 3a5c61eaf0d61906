"""Training of generators, whatever their objective (CemiFace, NeurIPS 2024, Sec. 4.1; DCFace, CVPR 2023)."""

import contextlib
import math
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel

from semihard.artifacts import write_artifact
from semihard.checkpoint import Resume
from semihard.decoded import DecodedImages
from semihard.device import autocast, best_device, compiled, launch, unet_layout
from semihard.engine import batch_indices, is_first_process, train
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.generator.dcface import StyleFeatures
from semihard.generator.dcface_objective import DCFaceObjective
from semihard.generator.model_file import GeneratorSpec, save_generator, sha256_of
from semihard.generator.objective import CemiFaceObjective, Objective, UnconditionalObjective
from semihard.provenance import Provenance
from semihard.settings import CemiFaceGenerator, DCFaceGenerator, Diffusion
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding import unit_embeddings
from semihard.tensors import to_float

EMBEDDING_BATCH = 512


def train_generator(
    settings: Diffusion,
    faces_path: Path | str,
    output_model: Path | str,
    output_history: Path | str,
    provenance: Provenance,
    embedder_model_path: Path | str | None = None,
) -> None:
    """Train on the images of a face set; write the averaged weights and the history of the losses.

    embedder_model_path: the frozen embedder, for cemiface and dcface. The weights do not depend on `processes` and
    `accumulation` but for rounding (dcface's batch norms and dropout excepted), and going on after a kill gives the same
    weights to the bit on a CPU (engine.train). Raises InputError for bad input, NonFiniteLossError where training diverges.
    """
    arguments = (settings, faces_path, output_model, output_history, provenance, embedder_model_path)
    launch(settings.processes, _train, *arguments)


def _train(
    settings: Diffusion,
    faces_path: Path | str,
    output_model: Path | str,
    output_history: Path | str,
    provenance: Provenance,
    embedder_model_path: Path | str | None,
) -> None:
    accelerator = Accelerator(cpu=best_device().type == "cpu")
    if accelerator.num_processes != settings.processes:
        raise InputError(
            f"{accelerator.num_processes} processes were started for a generator of {settings.processes}: set `processes`"
        )
    device = accelerator.device
    faces = FaceSet(faces_path)
    images = DecodedImages(faces, settings.image_size, device)
    objective, spec = build_objective(settings, faces, images, embedder_model_path, device)
    rows = getattr(objective, "rows", np.arange(len(images)))

    torch.manual_seed(settings.seed)
    network = spec.build().to(device, memory_format=unet_layout(device, settings.compile)).train()
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay, fused=device.type != "mps"
    )
    average = WeightAverage(
        parameters, decay=settings.ema_decay, use_ema_warmup=True, inv_gamma=1.0, power=settings.ema_power, foreach=True
    )
    shared = accelerator.prepare(network)
    predict = compiled(shared, settings.compile)
    steps = max(1, round(settings.epochs * len(rows) / settings.batch))

    def batch_of(i: int) -> np.ndarray:
        return rows[batch_indices(i, settings.batch, len(rows), settings.seed)]

    def step(i: int) -> dict[str, torch.Tensor]:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, i, steps)
        chosen = torch.from_numpy(batch_of(i))
        drawn = objective.draw(chosen)
        drawn["t"] = torch.randint(settings.timesteps, (len(chosen),), device=device)
        drawn["eps"] = torch.randn(len(chosen), 3, settings.image_size, settings.image_size, device=device)
        mirrored = torch.rand(len(chosen), device=device) < 0.5 * settings.flip
        sums: dict[str, torch.Tensor] = {}
        parts = own_parts(settings, accelerator.process_index)
        for part in parts:
            x = to_float(images[chosen[part]])
            x = torch.where(mirrored[part, None, None, None], x.flip(3), x)
            with contextlib.nullcontext() if part is parts[-1] else accelerator.no_sync(shared):
                with autocast(device, settings.precision):
                    losses = objective.losses(predict, x, **{name: values[part] for name, values in drawn.items()})
                accelerator.backward(losses["loss"] / settings.accumulation)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach() / settings.accumulation
        if settings.clip_norm:
            sums["gradient_norm"] = torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm, foreach=True)
        optimizer.step()
        optimizer.zero_grad()
        average.step(parameters)
        return sums

    state = {"network": network, "optimizer": optimizer, "average": average}
    inputs = [faces_path, *([embedder_model_path] if embedder_model_path else [])]
    with accelerator.main_process_first():
        resume = Resume(output_model, provenance, inputs)
    history = train("train generator", step, steps, state, resume, settings.seed, batch_of)

    if is_first_process():
        average.copy_to(parameters)
        losses = {f"columns/{name}": values for name, values in history.items() if name != "step"}
        write_artifact(output_history, "history", {"step": history["step"]} | losses, provenance)
        save_generator(output_model, network, spec, provenance)
        resume.discard()
    accelerator.end_training()


def build_objective(
    settings: Diffusion,
    faces: FaceSet,
    images: DecodedImages,
    embedder_model_path: Path | str | None,
    device: torch.device,
) -> tuple[Objective, GeneratorSpec]:
    """What a generator is trained to do, and what it will be. Raises InputError where the face set does not serve it."""
    names = ("method", "network", "image_size", "timesteps", "beta_start", "beta_end")
    about = {name: getattr(settings, name) for name in names}
    if not isinstance(settings, CemiFaceGenerator | DCFaceGenerator):
        return UnconditionalObjective(settings, device), GeneratorSpec(**about)
    embedder = load_embedder(embedder_model_path, device)
    embeddings = unit_embeddings(embedder, images.split(EMBEDDING_BATCH), len(images))
    embedder.forward = compiled(embedder.forward, settings.compile)  # not before: the batches were of another size
    about |= {"embedding_dim": embedder.embedding_dim, "embedder_sha256": sha256_of(embedder_model_path)}
    if isinstance(settings, CemiFaceGenerator):
        about |= {name: getattr(settings, name) for name in ("m_min", "m_max", "m_step")}
        return CemiFaceObjective(settings, embeddings, embedder, device), GeneratorSpec(**about)
    about |= {"style_grid": settings.style_grid, "style_channels": StyleFeatures(embedder).channels}
    return DCFaceObjective(settings, faces, images, embeddings, embedder, device), GeneratorSpec(**about)


def own_parts(settings: Diffusion, process: int) -> list[slice]:
    """The parts of a batch that process number `process` works off, one after the other."""
    size = settings.batch // (settings.processes * settings.accumulation)
    first = process * settings.accumulation
    return [slice(k * size, (k + 1) * size) for k in range(first, first + settings.accumulation)]


class WeightAverage(EMAModel):
    """diffusers' average of the weights; a checkpoint goes to the device of the weights, where diffusers leaves it on the CPU."""

    def load_state_dict(self, state_dict: dict) -> None:
        device = self.shadow_params[0].device
        super().load_state_dict(state_dict)
        self.to(device)


def learning_rate(settings: Diffusion, step: int, steps: int) -> float:
    """Of optimizer step `step` of `steps`: linear warm-up, then constant or cosine to zero."""
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    decay = (1 + math.cos(math.pi * step / steps)) / 2 if settings.rate_schedule == "cosine" else 1.0
    return settings.learning_rate * warm * decay

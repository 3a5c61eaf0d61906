"""Training of generators, whatever their objective (CemiFace, NeurIPS 2024, Sec. 4.1; DCFace, CVPR 2023)."""

import contextlib
import math
from pathlib import Path

import numpy as np
import torch
from diffusers.training_utils import EMAModel

from semihard.compute.decoded_images import DecodedImages
from semihard.compute.device import autocast, compiled, dtype_of, loss_scale, loss_scaler, unet_layout
from semihard.compute.processes import in_processes
from semihard.compute.tensors import to_float
from semihard.compute.training_run import Schedule, TrainingFiles, TrainingRun
from semihard.errors import InputError
from semihard.generator.cost import check_cost, training_cost
from semihard.generator.method import TrainingData, method_named
from semihard.generator.model_file import GeneratorSpec, save_generator
from semihard.generator.objective import Objective
from semihard.generator.optimizer import Optimizer
from semihard.generator.settings import Diffusion
from semihard.recognizer.model_file import weights_digest
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.embedding import unit_embeddings
from semihard.storage.checkpoint import kept_tensor, stat_of
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

EMBEDDING_BATCH = 512


@in_processes
def train_generator(
    settings: Diffusion,
    faces_path: Path | str,
    files: TrainingFiles,
    provenance: Provenance,
    embedder_model_path: Path | str | None = None,
) -> None:
    """Train on the images of a face set; write the averaged weights, the history of the losses and the folder of the
    epochs kept (`keep_every`), one generator file `epoch0012.safetensors` each.

    embedder_model_path: the frozen embedder, for a method that has one. The weights do not depend on `processes` and
    `accumulation` but for rounding (of Muon, that of bf16; batch norms and dropout excepted), and going on after a kill
    gives the same weights to the bit on a CPU. Memory and time are said before it starts. Raises InputError for bad
    input and where the memory does not suffice, NonFiniteLossError where training diverges.
    """
    run = TrainingRun(settings.processes, files)
    device, accelerator = run.device, run.accelerator
    faces = FaceSet(faces_path)
    check_square(faces)
    embedder = load_guide(settings, embedder_model_path, device)
    spec = generator_spec(settings, embedder, weights_digest(embedder_model_path) if embedder else None)
    cost = training_cost(settings, spec, embedder, dtype_of(device, settings.precision) != torch.float32)
    check_cost(settings, cost, steps_of(settings, len(faces)), device)
    images = DecodedImages(faces, settings.image_size, device)
    kept, embeddings = Path(f"{files.model}.embeddings"), None  # a training that goes on does not embed the set again
    if embedder is not None:
        key = [settings.image_size, device.type, *map(stat_of, (faces_path, embedder_model_path))]
        batches = images.split(EMBEDDING_BATCH)
        embeddings = kept_tensor(kept, key, lambda: unit_embeddings(embedder, batches, len(images)), run.process == 0)
    objective = build_objective(settings, faces, images, embedder, embeddings, device)
    rows = getattr(objective, "rows", np.arange(len(images)))
    steps = steps_of(settings, len(rows))
    schedule = Schedule(rows, settings.batch, settings.epochs, steps, settings.keep_every, settings.seed)

    torch.manual_seed(settings.seed)
    network = spec.build().to(device, memory_format=unet_layout(device, settings.compile)).train()
    parameters = list(network.parameters())
    optimizer = Optimizer(network, settings, device)
    average = WeightAverage(
        parameters, decay=settings.ema_decay, use_ema_warmup=True, inv_gamma=1.0, power=settings.ema_power, foreach=True
    )
    shared = accelerator.prepare(network)
    predict, scaler = compiled(shared, settings.compile), loss_scaler(device, settings.precision)
    parts = own_parts(settings, run.process)

    def step(i: int) -> dict[str, torch.Tensor]:
        chosen = torch.from_numpy(schedule.batch_of(i))
        drawn = objective.draw(chosen)
        drawn["t"] = torch.randint(settings.timesteps, (len(chosen),), device=device)
        drawn["eps"] = torch.randn(len(chosen), 3, settings.image_size, settings.image_size, device=device)
        mirrored = torch.rand(len(chosen), device=device) < 0.5 * settings.flip
        sums: dict[str, torch.Tensor] = {}
        for part in parts:
            x = to_float(images[chosen[part]])
            x = torch.where(mirrored[part, None, None, None], x.flip(3), x)
            with contextlib.nullcontext() if part is parts[-1] else accelerator.no_sync(shared):
                with autocast(device, settings.precision):
                    losses = objective.losses(predict, x, **{name: values[part] for name, values in drawn.items()})
                accelerator.backward(scaler.scale(losses["loss"] / settings.accumulation))
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach() / settings.accumulation
        scaler.unscale_(optimizer)
        if settings.clip_norm:
            norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm, foreach=device.type != "mps")
            skipped = scaler.is_enabled() & ~norm.isfinite()  # float16's range was left: a step that is not made
            sums["gradient_norm"] = torch.where(skipped, 0, norm)
        scaler.step(optimizer, rate_factor(settings, i, steps))
        scaler.update()
        sums |= loss_scale(scaler, device)
        optimizer.zero_grad()
        average.step(parameters)
        return sums

    def save(path: Path | str, finished: bool) -> None:
        average.store(parameters)
        average.copy_to(parameters)
        save_generator(path, network, spec, provenance)
        average.restore(parameters)

    state = {"network": network, "optimizer": optimizer, "average": average}
    state |= {"scaler": scaler} if scaler.is_enabled() else {}
    run.train("train generator", step, schedule, state, save, files, provenance, [faces_path, embedder_model_path])
    kept.unlink(missing_ok=True)


def check_square(faces: FaceSet) -> None:
    """Raises InputError where the images are not as wide as they are high."""
    height, width = faces.image_size
    if height != width:
        raise InputError(
            f"{faces.path} has images of {height}x{width} pixels (height x width), generators make square ones: align "
            "them to a square"
        )


def load_guide(settings: Diffusion, path: Path | str | None, device: torch.device) -> Embedder | None:
    """The frozen embedder of the losses, None for a method without one. Raises InputError where its input has other
    proportions than the square images that the generator makes."""
    if not hasattr(settings, "embedder"):
        return None
    embedder = load_embedder(path, device)
    embedder.spec.check_proportions((settings.image_size, settings.image_size), "what the generator makes", path)
    return embedder


def generator_spec(settings: Diffusion, embedder: Embedder | None, embedder_sha256: str | None = None) -> GeneratorSpec:
    """What the generator will be; embedder_sha256: the digest of its embedder's weights."""
    names = ("method", "network", "image_size", "timesteps", "beta_start", "beta_end")
    about = {name: getattr(settings, name) for name in names}
    if embedder is not None:
        about |= {"embedding_dim": embedder.embedding_dim, "embedder_sha256": embedder_sha256}
    return GeneratorSpec(**about, options=method_named(settings.method).options(settings, embedder))


def build_objective(
    settings: Diffusion,
    faces: FaceSet,
    images: DecodedImages,
    embedder: Embedder | None,
    embeddings: torch.Tensor | None,
    device: torch.device,
) -> Objective:
    """What a generator is trained to do, by its method; embeddings: unit ones of the images as the generator sees
    them, float32 `[N, D]` on the CPU, None without an embedder.

    Raises InputError where the face set does not serve it.
    """
    if embedder is not None:
        embedder.forward = compiled(embedder.forward, settings.compile)  # not before: batches were of another size
    data = TrainingData(faces, images, device, embeddings, embedder)
    return method_named(settings.method).build_objective(settings, data)


def steps_of(settings: Diffusion, images: int) -> int:
    """Optimizer steps in which a set of so many images is seen `epochs` times, rounded, one at least."""
    return max(1, round(settings.epochs * images / settings.batch))


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


def rate_factor(settings: Diffusion, step: int, steps: int) -> float:
    """Of the learning rates at optimizer step `step` of `steps`: linear warm-up, then 1 or cosine to zero."""
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    decay = (1 + math.cos(math.pi * step / steps)) / 2 if settings.rate_schedule == "cosine" else 1.0
    return warm * decay

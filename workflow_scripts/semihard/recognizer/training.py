"""Recognizer training: a backbone and a margin head on a face set, whatever made it (recipe: CemiFace, Sec. 4.1)."""

import contextlib
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from semihard.compute.decoded_images import onto_device
from semihard.compute.device import autocast, compiled, loss_scale, loss_scaler
from semihard.compute.processes import in_processes
from semihard.compute.seeds import seed_for
from semihard.compute.training_run import Schedule, TrainingFiles, TrainingRun
from semihard.errors import InputError
from semihard.recognizer.augmentation import augment
from semihard.recognizer.backbone import build_backbone, options_of
from semihard.recognizer.domain_mixup import RealFaces
from semihard.recognizer.margin_head import build_head
from semihard.recognizer.memory import check_memory
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.recognizer.partial_fc import SampledHead
from semihard.recognizer.settings import Recognizer
from semihard.recognizer.training_set import TrainingSet
from semihard.storage.provenance import Provenance

BATCH_OF_RATE = 512  # the batch that `learning_rate` is for


class Recognition(nn.Module):
    """Backbone and head as one module, so that processes share the gradients of both."""

    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of images `[n, 3, h, w]` with labels and weights `[n, J]`."""
        return self.head.loss(self.backbone(x), label, weight)


@in_processes
def train_recognizer(
    settings: Recognizer,
    faces_path: Path | str,
    files: TrainingFiles,
    seed: int,
    provenance: Provenance,
    real_path: Path | str | None = None,
) -> None:
    """Train a recognizer and write its model file (embedder and class weights), its history, and the folder of the epochs
    kept (`keep_every`), one model file `epoch0012.safetensors` each, without class weights.

    real_path: the real faces of domain mixup. Images are decoded once, at the network's size. Interrupted at any moment,
    the next call goes on from the last checkpoint beside the model, on a CPU to the very same weights. Raises InputError
    for bad input and where the memory does not suffice, NonFiniteLossError where training diverges.
    """
    run = TrainingRun(settings.processes, files)
    device = run.device
    if (settings.domain_mixup is None) != (real_path is None):
        raise InputError("domain mixup needs both: the setting `domain_mixup` and the real face set")
    spec = embedder_spec(settings)
    faces = TrainingSet(faces_path)
    check_batch(settings, faces)
    real = RealFaces(real_path, faces.names, settings.domain_mixup, seed) if real_path else None
    names = real.names if real else faces.names
    steps = math.ceil(settings.epochs * len(faces) / settings.batch)
    needed = check_memory(settings, len(names), steps, device)
    for images in (faces, real.faces) if real else (faces,):
        images.decode(spec, device, keep_free=needed)
    schedule = Schedule(np.arange(len(faces)), settings.batch, settings.epochs, steps, settings.keep_every, seed)

    torch.manual_seed(seed_for(seed, "initial weights"))
    model = Recognition(
        build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options),
        build_recognizer_head(settings, len(names), faces.label.shape[1] + (real.faces.label.shape[1] if real else 0)),
    )
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = build_optimizer(model, settings, device)
    if sampled := isinstance(model.head, SampledHead):  # all processes keep the same centers: nothing to send
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, ["head.center", "head.momentum"])
    shared = run.accelerator.prepare(model)
    recognize, scaler = compiled(shared, settings.compile), loss_scaler(device, settings.precision)
    share = settings.batch // settings.processes
    own = slice(run.process * share, (run.process + 1) * share)
    size = share // settings.accumulation
    parts = [slice(at, at + size) for at in range(0, share, size)]

    def step(i: int) -> dict[str, Tensor]:
        rate = learning_rate(settings, epoch=i * settings.batch / len(faces))
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = schedule.batch_of(i)
        label, weight = faces.targets(chosen)
        if real:
            mixed = real.draw(i, settings.batch)
            label, weight = mixed.joint(label, weight)
        label, weight = onto_device(label, device), onto_device(weight, device)
        if sampled:
            model.head.take(label, optimizer)
        if run.process:  # until here all processes draw the same, from here each for its own images
            torch.manual_seed(seed_for(seed, "step", i, "process", run.process))
        x = augment(faces.images(chosen[own]), settings)
        if real:
            x = mixed.pixels(x, augment(real.faces.images(mixed.chosen[own]), settings))
        label, weight = label[own], weight[own]
        optimizer.zero_grad(set_to_none=True)
        told = []
        for part in parts:
            with contextlib.nullcontext() if part is parts[-1] else run.accelerator.no_sync(shared):
                with autocast(device, settings.precision):
                    pixels = x[part].contiguous(memory_format=torch.channels_last)
                    loss, accuracy = recognize(pixels, label[part], weight[part])
                run.accelerator.backward(scaler.scale(loss / len(parts)))
            told.append(torch.stack([loss.detach(), accuracy]))
        scaler.unscale_(optimizer)
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(
                model.backbone.parameters(), settings.clip_norm, foreach=device.type != "mps"
            )
        scaler.step(optimizer)
        scaler.update()
        if sampled:
            model.head.give_back(optimizer)
        loss, accuracy = torch.stack(told).mean(0)
        rates = {"learning_rate": torch.full((), rate, device=device), **loss_scale(scaler, device)}
        return {"loss": loss, "accuracy": accuracy, **rates}

    def save(path: Path | str, finished: bool) -> None:
        classes = (model.head.class_centers, names) if finished else ()
        save_model(path, model.backbone, spec, *classes, provenance=provenance)

    what = f"train {settings.backbone} on {Path(faces_path).stem}"
    state = {"model": model, "optimizer": optimizer} | ({"scaler": scaler} if scaler.is_enabled() else {})
    run.train(what, step, schedule, state, save, files, provenance, [faces_path, real_path])


def check_batch(settings: Recognizer, faces: TrainingSet) -> None:
    """Raises InputError where a batch is more than there is."""
    if settings.batch > len(faces):
        raise InputError(
            f"{faces.path}: a batch of {settings.batch} is more than the {len(faces)} images there are; lower `batch`"
        )


def embedder_spec(settings: Recognizer) -> EmbedderSpec:
    """The network's input: square, or the middle `width` columns of the square."""
    square = (settings.image_size, settings.image_size)
    whole = settings.width in (None, settings.image_size)
    return EmbedderSpec(
        settings.backbone,
        square if whole else (settings.image_size, settings.width),
        settings.embedding_dim,
        options_of(settings),
        None if whole else square,
    )


def build_recognizer_head(settings: Recognizer, identities: int, labels: int) -> nn.Module:
    """The head, sampled where not all centers take part in a step; labels: the most that an image has."""
    arguments = (settings.head, identities, settings.embedding_dim, settings.margin, settings.scale)
    if settings.sampled_share == 1:
        return build_head(*arguments)
    return SampledHead(*arguments, settings.sampled_share, settings.batch * labels)


def learning_rate(settings: Recognizer, epoch: float) -> float:
    """The rate at `epoch` (passes over the set, a fraction within one), for the recipe's batch: linear in it from 512."""
    rate = settings.learning_rate * settings.batch / BATCH_OF_RATE
    if settings.warmup_epochs:
        rate *= min(1.0, (epoch + 1e-3) / settings.warmup_epochs)
    if settings.rate_schedule == "linear":
        return rate * max(0.0, 1 - epoch / settings.epochs)
    return rate * 0.1 ** sum(epoch >= milestone for milestone in settings.milestones)


def build_optimizer(model: nn.Module, settings: Recognizer, device: torch.device) -> torch.optim.SGD:
    """SGD with momentum; no weight decay on biases, normalisation and PReLU, whose tensors have one dimension."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    optimizer = torch.optim.SGD(groups, learning_rate(settings, 0), momentum=settings.momentum, fused=fused)
    if (
        settings.precision == "fp16" and settings.momentum
    ):  # a first step that is skipped would leave them uninitialised
        for parameter in trained:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer

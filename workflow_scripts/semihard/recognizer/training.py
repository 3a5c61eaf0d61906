"""Recognizer training: a backbone and a margin head on a face set, whatever made it (recipe: CemiFace, Sec. 4.1)."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from semihard.artifacts import write_artifact
from semihard.checkpoint import Resume
from semihard.device import autocast, best_device
from semihard.engine import batch_indices, train
from semihard.provenance import Provenance
from semihard.recognizer.augmentation import augment
from semihard.recognizer.backbones import build_backbone
from semihard.recognizer.domain_mixup import RealFaces
from semihard.recognizer.heads import build_head
from semihard.recognizer.labelled import LabelledImages
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.seeds import seed_for
from semihard.settings import Recognizer


def train_recognizer(
    settings: Recognizer,
    faces_path: Path | str,
    output_model: Path | str,
    output_history: Path | str,
    seed: int,
    provenance: Provenance,
    real_path: Path | str | None = None,
) -> None:
    """Train a recognizer and write its model file (embedder and class weights) and its history.

    real_path: the real faces of domain mixup. Images are decoded once, at the network's size. Interrupted at any
    moment, the next call goes on from the last checkpoint beside `output_model`, on CPU to the very same weights.

    Raises InputError where the face set has unlabelled images, one identity, or labels out of range; NonFiniteLossError.
    """
    device, size = best_device(), (settings.image_size, settings.image_size)
    faces = LabelledImages(faces_path, size, device)
    real = RealFaces(real_path, size, device, faces.names, seed) if real_path else None
    names = real.names if real else faces.names

    torch.manual_seed(seed_for(seed, "initial weights"))
    backbone = build_backbone(settings.backbone, size, settings.embedding_dim)
    head = build_head(settings.head, len(names), settings.embedding_dim, settings.margin, settings.scale)
    backbone, head = backbone.to(device, memory_format=torch.channels_last).train(), head.to(device).train()
    optimizer = build_optimizer(nn.ModuleList([backbone, head]), settings, device)

    def batch_of(i: int) -> np.ndarray:
        return batch_indices(i, settings.batch, len(faces), seed)

    def step(i: int) -> dict[str, Tensor]:
        rate = learning_rate(settings, i * settings.batch / len(faces))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, label, weight = faces.batch(batch_of(i))
        x = augment(x, settings)
        if real:
            x, label, weight = real.mix(i, x, label, weight, settings)
        with autocast(device, settings.precision):
            embedding = backbone(x.contiguous(memory_format=torch.channels_last))
        loss, accuracy = head.loss(embedding, label, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach(), "accuracy": accuracy, "learning_rate": torch.full((), rate, device=device)}

    resume = Resume(output_model, provenance, [faces_path, *([real_path] if real_path else [])])
    steps = math.ceil(settings.epochs * len(faces) / settings.batch)
    state = {"backbone": backbone, "head": head, "optimizer": optimizer}
    history = train(f"train {settings.backbone} on {Path(faces_path).stem}", step, steps, state, resume, seed, batch_of)

    spec = EmbedderSpec(settings.backbone, size, settings.embedding_dim)
    columns = {name if name == "step" else f"columns/{name}": values for name, values in history.items()}
    write_artifact(output_history, "history", columns, provenance)
    save_model(output_model, backbone, spec, head.weight, names, provenance)
    resume.discard()


def learning_rate(settings: Recognizer, epoch: float) -> float:
    """The rate at `epoch` (passes over the set, a fraction within one): warm-up, then a tenth after each milestone."""
    warm = min(1.0, (epoch + 1e-3) / settings.warmup_epochs) if settings.warmup_epochs else 1.0
    return settings.learning_rate * warm * 0.1 ** sum(epoch >= milestone for milestone in settings.milestones)


def build_optimizer(model: nn.Module, settings: Recognizer, device: torch.device) -> torch.optim.SGD:
    """SGD with momentum; no weight decay on biases, normalisation and PReLU, whose tensors have one dimension."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    return torch.optim.SGD(groups, settings.learning_rate, momentum=settings.momentum, fused=fused)

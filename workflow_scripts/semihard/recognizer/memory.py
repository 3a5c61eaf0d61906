"""How much memory a training will take: counted on the meta device before anything is decoded or allocated."""

import logging
from functools import cache

import psutil
import torch
from torch import nn

from semihard.compute.device import dtype_of
from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone, options_of
from semihard.recognizer.settings import Recognizer

log = logging.getLogger("semihard")
COUNTED_BATCH = 2  # batch norm needs two images
HEAD_COPIES = 8  # of [n, S] floats: cosines, logits, softmax and gradients, as measured with a million classes
IN_FLIGHT = 1.25  # gradients on their way and workspaces: measured 1.26 and 1.27 for IResNet-50 and IR-SE-50 in fp32


def training_bytes(settings: Recognizer, identities: int, half: bool) -> int:
    """Bytes that a process of this training needs beside its images: weights, gradients, momentum, what the backward pass
    keeps of every layer for one part of the batch, and the head.

    identities: K; half: activations of 16 bits.
    """
    size = (settings.image_size, settings.width or settings.image_size)
    share = settings.batch // settings.processes
    part = share // settings.accumulation
    weights, kept = counted(settings.backbone, size, settings.embedding_dim, half, **options_of(settings))
    sampled = settings.sampled_share < 1
    active = min(1, max(settings.sampled_share, settings.batch / identities)) * identities
    centers = (3 * active + 2 * identities * sampled) * settings.embedding_dim
    waiting = (share - part) * 3 * size[0] * size[1]  # augmented images of the other parts
    floats = 3 * weights + centers + HEAD_COPIES * part * active + waiting
    return int(IN_FLIGHT * (4 * floats + (2 * weights if half else 0) + kept * part / COUNTED_BATCH))


@cache
def counted(backbone: str, size: tuple[int, int], embedding_dim: int, half: bool, **options: str) -> tuple[int, int]:
    """A backbone's number of weights, and the bytes it keeps for the backward pass: counted, by autograd's own hooks, for
    COUNTED_BATCH images without pixels."""
    dtype = torch.bfloat16 if half else torch.float32
    with torch.device("meta"):
        network = build_backbone(backbone, size, embedding_dim, **options).to(dtype)
        kept = activation_bytes(network, torch.empty(COUNTED_BATCH, 3, *size, dtype=dtype))
    return sum(parameter.numel() for parameter in network.parameters()), kept


def activation_bytes(network: nn.Module, *inputs: torch.Tensor) -> int:
    """Bytes of all tensors but the weights that a forward pass keeps for the backward pass, each storage once."""
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        network(*inputs)
    return sum(storage.nbytes() for storage in kept.values())


def check_memory(settings: Recognizer, identities: int, steps: int, device: torch.device) -> int:
    """Say what a training of `steps` optimizer steps takes; bytes of a process beside its images. Raises InputError where
    they are not free on `device` (for a CPU: of the machine's memory), with the accumulation that would do, if one would."""
    half = dtype_of(device, settings.precision) != torch.float32
    needed, (free, where) = training_bytes(settings, identities, half), free_memory(device)
    share = settings.batch // settings.processes
    log.info(
        "train recognizer: %d steps of %d images, %d process(es) × %d part(s) of %d, about %.1f GB beside the images decoded",
        steps, settings.batch, settings.processes, settings.accumulation, share // settings.accumulation, needed / 1e9,
    )  # fmt: skip
    if needed > free:
        parts = (a for a in possible_accumulations(settings) if a > settings.accumulation)
        found = next(
            (a for a in parts if training_bytes(with_accumulation(settings, a), identities, half) <= free), None
        )
        raise InputError(
            f"the training needs about {needed / 1e9:.1f} GB beside its images, {where} has {free / 1e9:.1f} GB free; "
            + (f"set `accumulation` to {found}, or " if found else "")
            + f"lower `batch` ({settings.batch}), spread it over more `processes`, set `sampled_share` where identities are "
            "many, or take a smaller backbone"
        )
    return needed


def possible_accumulations(settings: Recognizer) -> list[int]:
    """The values of `accumulation` that its batch allows, rising: batch norm needs two images."""
    share = settings.batch // settings.processes
    return [a for a in range(1, share // 2 + 1) if share % a == 0]


def with_accumulation(settings: Recognizer, parts: int) -> Recognizer:
    """The same training in so many parts."""
    return settings.model_copy(update={"accumulation": parts})


def free_memory(device: torch.device) -> tuple[int, str]:
    """Bytes that are free on `device` (for a CPU: of the machine's memory), and what it is called."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0], torch.cuda.get_device_name(device)
    return psutil.virtual_memory().available, "this machine"

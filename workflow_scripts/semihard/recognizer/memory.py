"""How much memory a training will take: counted on the meta device before anything is decoded or allocated."""

import psutil
import torch
from torch import nn

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone, options_of
from semihard.recognizer.settings import Recognizer

COUNTED_BATCH = 2  # batch norm needs two images
HEAD_COPIES = 8  # of [n, S] floats: cosines, logits, softmax and gradients, as measured with a million classes
IN_FLIGHT = 1.25  # gradients on their way and workspaces: measured 1.26 and 1.27 for IResNet-50 and IR-SE-50 in fp32


def training_bytes(settings: Recognizer, identities: int, half: bool) -> int:
    """Bytes that a process of this training needs beside its images: weights, gradients, momentum, what the backward pass
    keeps of every layer, and the head.

    identities: K; half: bf16 activations. What is kept is counted, by autograd's own hooks, for two images without
    pixels.
    """
    size = (settings.image_size, settings.width or settings.image_size)
    batch = settings.batch // settings.processes
    dtype = torch.bfloat16 if half else torch.float32
    with torch.device("meta"):
        backbone = build_backbone(settings.backbone, size, settings.embedding_dim, **options_of(settings)).to(dtype)
        kept = activation_bytes(backbone, torch.empty(COUNTED_BATCH, 3, *size, dtype=dtype))
    weights = sum(parameter.numel() for parameter in backbone.parameters())
    sampled = settings.sampled_share < 1
    active = min(1, max(settings.sampled_share, settings.batch / identities)) * identities
    centers = (3 * active + 2 * identities * sampled) * settings.embedding_dim
    floats = 3 * weights + centers + HEAD_COPIES * batch * active
    return int(IN_FLIGHT * (4 * floats + (2 * weights if half else 0) + kept * batch / COUNTED_BATCH))


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


def check_memory(needed: int, device: torch.device, batch: int) -> None:
    """Raises InputError where `needed` bytes are not free on `device` (for a CPU: of the machine's memory)."""
    free, where = free_memory(device)
    if needed > free:
        raise InputError(
            f"the training needs about {needed / 1e9:.1f} GB beside its images, {where} has {free / 1e9:.1f} GB free; "
            f"lower `batch` ({batch}), spread it over more `processes`, set `sampled_share` where identities are many, "
            "or take a smaller backbone"
        )


def free_memory(device: torch.device) -> tuple[int, str]:
    """Bytes that are free on `device` (for a CPU: of the machine's memory), and what it is called."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0], torch.cuda.get_device_name(device)
    return psutil.virtual_memory().available, "this machine"

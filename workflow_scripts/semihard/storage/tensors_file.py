"""A safetensors file of this workflow: tensors, what they are in JSON, and a digest of both, which the format has not."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from semihard.errors import InputError
from semihard.storage.atomic import atomic_path

KEY = "semihard"  # one key of the metadata, as the order of several is not the same every time
DIGEST = "sha256"


def write_tensors(path: Path | str, tensors: Mapping[str, Tensor], about: dict) -> None:
    """Write tensors and what they are, plain JSON values, atomically; the same content gives the same bytes."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(held, temporary, {KEY: json.dumps(about | {DIGEST: _digest(held, about)})})


def read_tensors(path: Path | str) -> tuple[dict | None, dict[str, Tensor]]:
    """What a file says of itself, None where it says nothing; and its tensors, on the CPU.

    Raises InputError where they are not what was written (a file of before has no digest); SafetensorError or OSError where
    it is no such file.
    """
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get(KEY)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    try:
        about = json.loads(text or "null")
        digest = about.pop(DIGEST, None) if about else None
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: what it says of itself cannot be read ({error}); get it again, or delete it and run again"
        ) from None
    if digest is not None and digest != _digest(tensors, about):
        raise InputError(
            f"{path}: its bytes have changed since they were written; delete it and run again (rm {shlex.quote(str(path))})"
        )
    return about, tensors


def _digest(tensors: Mapping[str, Tensor], about: dict) -> str:
    digest = hashlib.sha256(json.dumps(about).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(uint8).numpy())
    return digest.hexdigest()

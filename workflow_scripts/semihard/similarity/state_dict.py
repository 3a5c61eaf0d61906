"""Tensors by name out of whatever file a network's weights are kept in; nothing that the file holds besides is ever made."""

import logging
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from semihard.errors import InputError

log = logging.getLogger("semihard")

# What a Lightning checkpoint holds besides tensors (AdaFace's releases: the class of a callback, the arguments of training).
TRAINING_STATE = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|lightning_utilities|omegaconf|numpy|typing)\.[\w.]+|argparse\.Namespace"
    r"|pathlib\.\w*Path|builtins\.(getattr|dict|list|set|tuple|int|float|str|bool)|collections\.\w+"
)


class NotMade:
    """Stands in the place of an object that is not a tensor: takes whatever it is given and does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> "NotMade":
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        """Of a list's place: nothing."""

    append = add = extend


CLASSIFIERS = ("logits.", "head.")  # what the names of a margin head begin with


def read_state_dict(path: Path, left_out: tuple[str, ...] = CLASSIFIERS) -> dict[str, Tensor]:
    """Tensors by name of a state dict (PyTorch, Lightning or safetensors); wrapping is taken off, and classification layers,
    whose names begin with one of `left_out`.

    Wrapping: `state_dict` around it, and `module.`, `model.` (Lightning, as AdaFace's files), `net.` (CVLface's) or
    `backbone.` before all names. Raises InputError where the file is unreadable or would run code when loaded: of a Lightning
    checkpoint the tensors are taken, and what stands beside them is not made.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _read_pickled(path)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):  # it asked for nothing to call: these bytes are no pickle of PyTorch
            raise InputError(f"{path}: is no PyTorch state dict and no .safetensors file") from None
        raise InputError(
            f"{path}: holds pickled objects other than tensors, refused; save its state_dict() alone and give that"
        ) from None
    except InputError:
        raise
    except Exception as error:  # whatever torch makes of damaged bytes
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise InputError(f"{path}: not a readable weight file ({reason[0]})") from None
    state = state.get("state_dict", state) if isinstance(state, Mapping) else {}
    state = {
        re.sub(r"^(module\.|model\.|net\.|backbone\.)*", "", name): value
        for name, value in (state.items() if isinstance(state, Mapping) else ())
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not state:
        raise InputError(f"{path}: holds no tensors by name; expected a state dict")
    return {name: value for name, value in state.items() if not name.startswith(left_out)}


def _read_pickled(path: Path) -> object:
    """What torch.load makes of a file with weights_only; Lightning's own classes are replaced by nothing."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise
        beside = _named_globals(path)
        foreign = [name for name in beside if not TRAINING_STATE.fullmatch(name)]
        if foreign or not beside:
            raise InputError(
                f"{path}: holds {', '.join(foreign[:3]) or 'pickled objects'} beside tensors, refused; save its state_dict() "
                "alone and give that"
            ) from None
    with safe_globals([(NotMade, name) for name in beside]):
        state = torch.load(path, map_location="cpu", weights_only=True)
    log.info("%s: only its tensors are taken; not made: %s", path, ", ".join(beside))
    return state


def _named_globals(path: Path) -> list[str]:
    """Classes and functions that a file of torch.save names and torch does not trust; none of an older format."""
    try:
        return sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:
        return []

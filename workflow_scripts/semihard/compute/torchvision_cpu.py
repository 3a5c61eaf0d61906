"""Makes PyPI's torchvision importable beside a CPU build of torch.

The Linux wheel of torchvision on PyPI is a CUDA build. Beside a torch without CUDA its extension does not load, and
`import torchvision` stops with "operator torchvision::nms does not exist", and with it diffusers, facenet-pytorch and
timm. `install` puts a finder on `sys.meta_path` that waits until somebody imports torchvision; only if torch is a CPU
build and torchvision's extension cannot be loaded does it declare the missing operators, with `nms` in plain torch.
Nothing happens beside a CUDA torch or a CPU build of torchvision. Not replaced: image decoding and roi_align.
"""

import importlib.abc
import importlib.machinery
import pathlib
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_declared = None  # PyTorch forgets the operators of a Library when it is collected


def nms(boxes: "torch.Tensor", scores: "torch.Tensor", iou_threshold: float) -> "torch.Tensor":
    """Greedy non-maximum suppression: what `torchvision.ops.nms` computes.

    boxes: float `[n, 4]` as x1, y1, x2, y2; scores: float `[n]`. Returns int64 `[k]`, the kept boxes by falling score
    (the earlier one first among equals); a box falls where its intersection over union with a kept one exceeds
    `iou_threshold`.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order].float()
    area = (ranked[:, 2:] - ranked[:, :2]).prod(1)
    alive = torch.ones(len(ranked), dtype=torch.bool)
    kept = []
    for i in range(len(ranked)):
        if alive[i]:
            kept.append(i)
            corner, far_corner = (
                torch.maximum(ranked[i, :2], ranked[:, :2]),
                torch.minimum(ranked[i, 2:], ranked[:, 2:]),
            )
            intersection = (far_corner - corner).clamp_(min=0).prod(1)
            alive &= intersection <= iou_threshold * (area[i] + area - intersection)
    return order[torch.tensor(kept, dtype=torch.long)]


def declare_missing_operators(folder: pathlib.Path) -> bool:
    """Declare `torchvision::nms` and `::qnms` if the extension in torchvision's `folder` cannot load: True if so."""
    global _declared
    import torch
    from torch import library

    if torch.version.cuda or torch.version.hip:
        return False
    try:
        for extension in folder.glob("_C*.so"):
            torch.ops.load_library(str(extension))
        return False
    except OSError:
        _declared = library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.impl("nms", nms, "CPU")
    return True


class TorchvisionFinder(importlib.abc.MetaPathFinder):
    """Acts when torchvision is executed, not when it is looked for: diffusers asks `find_spec` long before."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The ordinary spec of torchvision, its loader told to declare the operators first; None for other modules."""
        if name != "torchvision":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        execute, folder = spec.loader.exec_module, pathlib.Path(spec.origin).parent

        def exec_module(module: types.ModuleType) -> None:
            declared = declare_missing_operators(folder)
            execute(module)
            if declared:
                module.extension._has_ops = lambda: True  # torchvision.ops.nms asks this before it calls

        spec.loader.exec_module = exec_module
        return spec


def install() -> None:
    """Put the finder in place, once; without effect if torchvision has been imported already."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())

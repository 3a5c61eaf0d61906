"""The package is light to import and torchvision works after it, whatever build torch is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import nms as torchvision_nms

from semihard.compute.torchvision_cpu import nms

LIBRARY = Path(__file__).parents[2] / "workflow_scripts"


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def overlap(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def naive_nms(boxes: list[list[float]], scores: list[float], threshold: float) -> list[int]:
    kept: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(overlap(boxes[candidate], boxes[index]) <= threshold for index in kept):
            kept.append(candidate)
    return kept


box = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=100, deadline=None)
@given(
    boxes=st.lists(box, max_size=25),
    order=st.randoms(use_true_random=False),
    threshold=st.sampled_from([0.31, 0.503, 0.701]),
)
def test_nms_keeps_what_the_definition_keeps(boxes, order, threshold):
    corners = [[float(x), float(y), float(x + width), float(y + height)] for x, y, width, height in boxes]
    scores = [index / 64 for index in range(len(corners))]
    order.shuffle(scores)
    tensors = torch.tensor(corners).reshape(-1, 4), torch.tensor(scores)
    expected = naive_nms(corners, scores, threshold)
    assert nms(*tensors, threshold).tolist() == expected
    assert torchvision_nms(*tensors, threshold).tolist() == expected


def test_among_equal_scores_the_first_box_is_kept():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 9, 10]])
    assert nms(boxes, torch.ones(3), 0.5).tolist() == [0]


def test_importing_the_package_imports_no_torch():
    result = run("import semihard, sys; assert not {'torch', 'torchvision', 'numpy'} & set(sys.modules)")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import semihard, torchvision",
        "import semihard, importlib.util; importlib.util.find_spec('torchvision'); import torch, torchvision",
    ],
)
def test_torchvision_works_in_either_import_order(code):
    use = "import torch; print(torchvision.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5).tolist())"
    result = run(f"{code}\n{use}")
    assert result.stdout == "[0]\n", result.stderr

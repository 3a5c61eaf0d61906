"""Margin heads against the published codes' losses and gradients, and against naive loops."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from semihard.errors import InputError
from semihard.recognizer.heads import HEADS, AdaFace, ArcFace, CosFace, build_head

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/heads.json").read_text())
CASES = {
    "AdaFace repo CosFace s=64 m=0.4": (CosFace, 0.4, {}),
    "insightface cosface (1,0,0.4)": (CosFace, 0.4, {}),
    "AdaFace repo ArcFace s=64 m=0.5": (ArcFace, 0.5, {}),
    "AdaFace repo AdaFace m=0.4 h=0.333 s=64 t_alpha=0.01 (first step)": (AdaFace, 0.4, {}),
    "AdaFace repo AdaFace m=0.4 h=0.333 s=64 t_alpha=1.0 (batch statistics)": (AdaFace, 0.4, {"t_alpha": 1.0}),
}


def published(head_class: type, margin: float, options: dict, dtype: torch.dtype = torch.float64):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 8)) * 10).to(dtype).requires_grad_()
    head = head_class(5, 8, margin, 64.0, **options).to(dtype)
    head.weight.data.copy_(torch.from_numpy(np.random.default_rng(1).standard_normal((8, 5)).T))
    loss = F.cross_entropy(head.logits(x, torch.arange(4)), torch.arange(4))
    loss.backward()
    return x, head, loss


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_the_published_ones(case):
    x, head, loss = published(*CASES[case])
    expected = VECTORS[case]
    assert loss.item() == pytest.approx(expected["loss"], rel=2e-7)
    assert x.grad[0, :3].tolist() == pytest.approx(expected["grad_embedding_0_0_3"], rel=1e-6)
    # The published kernels are [D, K] and normalised in the graph, as ours.
    assert head.weight.grad.abs().sum().item() == pytest.approx(expected["grad_kernel_abs_sum"], rel=1e-6)
    if "batch_mean" in expected:
        assert head.mean.item() == pytest.approx(expected["batch_mean"], rel=1e-6)
        assert head.std.item() == pytest.approx(expected["batch_std"], rel=1e-6)


@pytest.mark.parametrize(
    ("head_class", "margin", "options", "loss"),
    [(CosFace, 0.4, {}, 50.169279), (ArcFace, 0.5, {}, 51.574383), (AdaFace, 0.4, {}, 50.184784)],
)
def test_single_precision_gives_the_same_loss(head_class, margin, options, loss):
    assert published(head_class, margin, options, torch.float32)[2].item() == pytest.approx(loss, rel=1e-5)


def naive_margin(name: str, cosine: float, norm: float, m: float, mean: float, std: float) -> float:
    theta = math.acos(cosine)
    if name == "cosface":
        return math.cos(theta) - m
    if name == "arcface":
        return math.cos(theta + m) if theta + m < math.pi else math.cos(theta) - m * math.sin(m)
    k = min(1.0, max(-1.0, 0.333 * (min(norm, 100.0) - mean) / (std + 1e-3)))
    return math.cos(min(math.pi - 1e-3, max(1e-3, theta - m * k))) - (m + m * k)


def head_and_batch(name: str, seed: int = 0):
    torch.manual_seed(seed)
    head = build_head(name, 7, 16, 0.5, 64.0).double().eval()
    embedding = torch.randn(9, 16, dtype=torch.float64) * torch.linspace(0.1, 40, 9)[:, None]
    embedding[0] = -head.weight.detach()[0]  # beyond π − m, where the margins differ most
    return head, embedding, torch.arange(9) % 7


@pytest.mark.parametrize("name", HEADS)
def test_logits_equal_a_loop(name):
    head, embedding, label = head_and_batch(name)
    mean, std = (head.mean.item(), head.std.item()) if name == "adaface" else (0, 1)
    logits = head.logits(embedding, label)
    for i, e in enumerate(embedding):
        for k, w in enumerate(head.weight.detach()):
            cosine = max(-1.0, min(1.0, (e @ w / e.norm() / w.norm()).item()))
            if name == "adaface" and k == label[i]:
                cosine = max(-1 + 1e-3, min(1 - 1e-3, cosine))
            expected = naive_margin(name, cosine, e.norm().item(), 0.5, mean, std) if k == label[i] else cosine
            assert logits[i, k].item() == pytest.approx(
                64 * expected, abs=0.02 if name == "arcface" and i == 0 else 1e-6
            )


@pytest.mark.parametrize("name", HEADS)
def test_one_label_is_plain_cross_entropy(name):
    head, embedding, label = head_and_batch(name)
    loss, accuracy = head.loss(embedding, label[:, None], torch.ones(9, 1, dtype=torch.float64))
    assert loss.item() == pytest.approx(F.cross_entropy(head.logits(embedding, label), label).item(), rel=1e-14)
    assert 0 <= accuracy <= 1
    # a second label of weight 0 changes nothing
    two = torch.stack([label, (label + 1) % 7], 1)
    weight = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(9, 2)
    assert head.loss(embedding, two, weight)[0].item() == pytest.approx(loss.item(), rel=1e-14)


@pytest.mark.parametrize("name", HEADS)
def test_mixed_labels_mix_logits_and_cross_entropies(name):
    """SynFace: L = Σ_k w_k CE(Σ_j w_j logits(y_j), y_k), here with the weights ψφ, ψ(1−φ), 1−ψ."""
    head, embedding, label = head_and_batch(name)
    labels = torch.stack([label, (label + 2) % 7, (label + 5) % 7], 1)
    psi, phi = 0.7, 0.35
    weight = torch.tensor([psi * phi, psi * (1 - phi), 1 - psi], dtype=torch.float64).expand(9, 3)
    mixed = sum(weight[:, j, None] * head.logits(embedding, labels[:, j]) for j in range(3))
    expected = sum(weight[0, k] * F.cross_entropy(mixed, labels[:, k]) for k in range(3))
    assert head.loss(embedding, labels, weight)[0].item() == pytest.approx(expected.item(), rel=1e-12)


def test_accuracy_asks_for_the_nearest_center_without_margin():
    head = CosFace(2, 2, 0.9, 64.0)
    head.weight.data.copy_(torch.eye(2))
    embedding = torch.tensor([[1.0, 0.8], [0.2, 1.0], [1.0, 0.0]])  # the margin alone would turn the first over
    label = torch.tensor([[0, 1], [0, 1], [1, 0]])
    weight = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    assert head.loss(embedding, label, weight)[1].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_stay_finite_at_the_poles(name):
    head = build_head(name, 3, 4, 0.5, 64.0)
    embedding = torch.stack([head.weight[0], -head.weight[1], head.weight[2] * 1e4]).detach().requires_grad_()
    loss, _ = head.loss(embedding, torch.arange(3)[:, None], torch.ones(3, 1))
    loss.backward()
    assert embedding.grad.isfinite().all() and head.weight.grad.isfinite().all()


def test_adaface_statistics_move_in_training_only():
    head = AdaFace(3, 4, 0.4, 64.0)
    embedding, label = torch.randn(8, 4) * 7, torch.zeros(8, dtype=torch.int64)
    head.eval().logits(embedding, label)
    assert (head.mean, head.std) == (20, 100)
    head.train().logits(embedding, label)
    assert head.mean.item() == pytest.approx(20 * 0.99 + 0.01 * embedding.norm(dim=1).mean().item())
    assert set(head.state_dict()) == {"weight", "mean", "std"}


def test_bf16_embeddings_under_autocast_are_judged_in_fp32():
    head = CosFace(5, 8, 0.4, 64.0)
    embedding = torch.randn(4, 8, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head.logits(embedding, torch.arange(4))
    assert logits.dtype == torch.float32
    assert torch.equal(logits, head.logits(embedding.float(), torch.arange(4)))


def test_unknown_head_is_refused():
    with pytest.raises(InputError, match="'sphereface' is not known; expected one of cosface, arcface, adaface"):
        build_head("sphereface", 2, 2, 0.4, 64.0)

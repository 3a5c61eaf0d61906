"""Margin heads against the published codes' losses and gradients, and against naive loops."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from semihard.errors import InputError
from semihard.recognizer.heads.adaface import AdaFace
from semihard.recognizer.heads.cosface import CosFace
from semihard.recognizer.heads.curricularface import CurricularFace
from semihard.recognizer.margin_head import MarginHead, SoftmaxHead, build_head
from semihard.settings import registry

HEADS = {
    name: registry.class_of(registry.load("recognizer.heads", name), MarginHead)
    for name in registry.names_of("recognizer.heads")
}
MARGINS = {name: head.published_margin for name, head in HEADS.items()}
SOFTMAX_HEADS = [name for name, head in HEADS.items() if issubclass(head, SoftmaxHead)]

# Loss, gradient of embedding [0, :3] and absolute sum of the centers' gradient, float64, of the published codes: x of
# default_rng(0).standard_normal((4, 8)) * 10, kernel of default_rng(1).standard_normal((8, 5)), labels 0 … 3, s = 64.
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/heads.json").read_text())
VECTORS |= {
    "MagFace repo 10 110 0.45 0.8 35": {
        "loss": 41.81510846433602,
        "grad_embedding_0_0_3": [-0.007578978380635501, -0.06664398481039242, -0.06374245738006534],
        "grad_kernel_abs_sum": 74.87706030322201,
    },
    "CurricularFace repo m=0.5 (first step)": {
        "loss": 43.61084319240956,
        "grad_embedding_0_0_3": [-0.045640967469803465, -0.08877185678664212, -0.0210283569094578],
        "grad_kernel_abs_sum": 64.21082569972641,
    },
    "UniFace repo m=0.4": {
        "loss": 63.84302452008076,
        "grad_embedding_0_0_3": [-0.19794033139870254, 0.22336832261710787, -0.39900808627277984],
        "grad_kernel_abs_sum": 78.38303738624319,
    },
}
CASES = {
    "AdaFace repo CosFace s=64 m=0.4": ("cosface", {}),
    "insightface cosface (1,0,0.4)": ("cosface", {}),
    "AdaFace repo ArcFace s=64 m=0.5": ("arcface", {}),
    "insightface arcface (1,0.5,0)": ("arcface_insightface", {}),
    "AdaFace repo AdaFace m=0.4 h=0.333 s=64 t_alpha=0.01 (first step)": ("adaface", {}),
    "AdaFace repo AdaFace m=0.4 h=0.333 s=64 t_alpha=1.0 (batch statistics)": ("adaface", {"t_alpha": 1.0}),
    "MagFace repo 10 110 0.45 0.8 35": ("magface", {}),
    "CurricularFace repo m=0.5 (first step)": ("curricularface", {}),
    "UniFace repo m=0.4": ("uniface", {}),
}


def published(name: str, options: dict, dtype: torch.dtype = torch.float64):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 8)) * 10).to(dtype).requires_grad_()
    head = HEADS[name](5, 8, MARGINS[name], 64.0, **options).to(dtype)
    head.weight.data.copy_(torch.from_numpy(np.random.default_rng(1).standard_normal((8, 5)).T))
    loss, _ = head.loss(x, torch.arange(4)[:, None], torch.ones(4, 1, dtype=dtype))
    loss.backward()
    return x, head, loss


def test_no_published_vector_is_left_out():
    assert set(CASES) == set(VECTORS) and {name for name, _ in CASES.values()} == set(HEADS)


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


@pytest.mark.parametrize("case", CASES)
def test_single_precision_gives_the_same_loss(case):
    assert published(*CASES[case], torch.float32)[2].item() == pytest.approx(VECTORS[case]["loss"], rel=1e-5)


def softplus(x: Tensor) -> Tensor:
    return torch.log1p(x.neg().exp()) + x if x > 0 else torch.log1p(x.exp())


def naive_margin(name: str, theta: Tensor, norm: Tensor, mean: float, std: float) -> Tensor:
    m = {"cosface": 0.4, "adaface": 0.4, "magface": 0.45}.get(name, 0.5)
    if name == "cosface":
        return theta.cos() - m
    if name == "arcface_insightface":  # the value of cos(θ + m), the gradient of cos θ
        return theta.cos() + ((theta + m).cos() - theta.cos()).item()
    if name == "adaface":
        k = min(1.0, max(-1.0, 0.333 * (min(max(norm.item(), 1e-3), 100.0) - mean) / (std + 1e-3)))
        return (theta - m * k).clamp(1e-3, math.pi - 1e-3).cos() - (m + m * k)
    if name == "magface":
        m = m + 0.35 * (norm.clamp(10, 110) - 10) / 100
        return (theta + m).cos() if theta < math.pi / 2 else theta.cos()
    return (theta + m).cos() if theta + m < math.pi else theta.cos() - m * math.sin(m)


def naive_loss(name: str, centers: Tensor, embedding: Tensor, label: Tensor, weight: Tensor, s: float) -> Tensor:
    """Sample by sample, class by class, label by label, in training from the head's first step."""
    n, labels = label.shape
    norms = embedding.detach().norm(dim=1).clamp(1e-3, 100)
    mean, std = 0.99 * 20 + 0.01 * norms.mean().item(), 0.99 * 100 + 0.01 * norms.std().item()
    angles = [[torch.acos(e @ w / e.norm() / w.norm()) for w in centers] for e in embedding]
    t = 0.01 * sum(weight[i, j] * angles[i][label[i, j]].cos() for i in range(n) for j in range(labels)).item() / n
    losses = []
    for i in range(n):
        norm = embedding[i].norm()
        if name == "uniface":
            b = float(np.float32(math.log(10 * len(centers))))  # the head is made in single precision
            for k, theta in enumerate(angles[i]):
                w = sum(weight[i, j] for j in range(labels) if label[i, j] == k)
                losses.append(w * softplus(-(s * (theta.cos() - 0.4) - b)) + (1 - w) * softplus(s * theta.cos() - b))
            continue
        logits = [torch.zeros(()) for _ in centers]
        for j in range(labels):
            own = angles[i][label[i, j]]
            for k, theta in enumerate(angles[i]):
                value = theta.cos()
                if k == label[i, j]:
                    value = naive_margin(name, theta, norm, mean, std)
                elif name == "curricularface" and theta.cos() > (own + 0.5).cos():
                    value = theta.cos() * (t + theta.cos())
                logits[k] = logits[k] + weight[i, j] * s * value
        total = torch.stack(logits).logsumexp(0)
        losses += [weight[i, j] * (total - logits[label[i, j]]) for j in range(labels)]
        if name == "magface":
            a = norm.clamp(10, 110)
            losses.append(35 * (a / 110**2 + 1 / a))
    return sum(losses) / n


def head_and_batch(name: str, labels: int, seed: int = 0):
    """Embeddings of norm 0.1 … 150, near to their center and far from it, of 1, 2 or 3 labels."""
    torch.manual_seed(seed)
    head = build_head(name, 7, 16, None, 16.0).double()
    embedding = F.normalize(torch.randn(9, 16, dtype=torch.float64))
    label = torch.stack([(torch.arange(9) + 2 * j) % 7 for j in range(labels)], 1)
    toward = torch.tensor([-1.0, 1.0, 0.6, -0.6, 0.3, 0, 0, 0, 0], dtype=torch.float64)[:, None]
    embedding = 0.2 * embedding + toward * F.normalize(head.weight.detach()[label[:, 0]])
    embedding = F.normalize(embedding) * torch.linspace(0.1, 150, 9, dtype=torch.float64)[:, None]
    weight = torch.rand(9, labels, dtype=torch.float64).softmax(1)
    return head, embedding.requires_grad_(), label, weight


@pytest.mark.parametrize("labels", [1, 2, 3])
@pytest.mark.parametrize("name", HEADS)
def test_loss_and_gradients_equal_a_loop(name, labels):
    """SynFace's two labels and domain mixup's three: L = Σ_k w_k CE(Σ_j w_j logits(y_j), y_k)."""
    head, embedding, label, weight = head_and_batch(name, labels)
    loss, _ = head.loss(embedding, label, weight)
    expected = naive_loss(name, head.weight, embedding, label, weight, 16.0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-11)
    got = torch.autograd.grad(loss, [embedding, head.weight])
    for one, other in zip(got, torch.autograd.grad(expected, [embedding, head.weight]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9 * other.abs().max().item())


@pytest.mark.parametrize("name", SOFTMAX_HEADS)
def test_logits_of_several_labels_are_those_of_each_mixed(name):
    head, embedding, label, weight = head_and_batch(name, 3)
    head.eval()
    mixed = sum(weight[:, j, None] * head.logits(embedding, label[:, j]) for j in range(3))
    torch.testing.assert_close(head.logits(embedding, label, weight), mixed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SOFTMAX_HEADS)
def test_one_label_is_plain_cross_entropy(name):
    head, embedding, label, _ = head_and_batch(name, 1)
    loss, _ = head.eval().loss(embedding, label, torch.ones(9, 1, dtype=torch.float64))
    norm = embedding.norm(dim=1).clamp(10, 110)
    added = 35 * (norm / 110**2 + 1 / norm).mean() if name == "magface" else 0.0
    cross_entropy = F.cross_entropy(head.logits(embedding, label[:, 0]), label[:, 0])
    assert loss.item() == pytest.approx((cross_entropy + added).item(), rel=1e-14)


@pytest.mark.parametrize("name", HEADS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_order_and_form_of_classes_labels_and_samples_do_not_matter(name, seed):
    head, embedding, label, weight = head_and_batch(name, 2, seed)
    head.eval()
    loss, accuracy = head.loss(embedding, label, weight)

    def equals(*arguments: Tensor) -> None:
        other, other_accuracy = head.loss(*arguments)
        assert other.item() == pytest.approx(loss.item(), rel=1e-9) and other_accuracy == accuracy

    rows = torch.randperm(9)
    equals(embedding[rows], label[rows], weight[rows])
    equals(embedding, label.flip(1), weight.flip(1))
    equals(embedding, torch.cat([label, (label[:, :1] + 1) % 7], 1), torch.cat([weight, 0 * weight[:, :1]], 1))
    equals(embedding, torch.cat([label, label], 1), torch.cat([weight, weight], 1) / 2)
    classes = torch.randperm(7)
    head.weight.data = head.weight.data[classes.argsort()] * torch.linspace(0.1, 9, 7)[:, None]
    equals(embedding, classes[label], weight)


@pytest.mark.parametrize("name", ["cosface", "arcface", "arcface_insightface", "curricularface", "uniface"])
def test_only_directions_of_embeddings_matter_where_the_margin_is_fixed(name):
    head, embedding, label, weight = head_and_batch(name, 2)
    losses = [head.eval().loss(embedding * factor, label, weight)[0].item() for factor in (1, 1e-3, 1e3)]
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-12)


def test_accuracy_asks_for_the_nearest_center_without_margin():
    head = CosFace(2, 2, 0.9, 64.0)
    head.weight.data.copy_(torch.eye(2))
    embedding = torch.tensor([[1.0, 0.8], [0.2, 1.0], [1.0, 0.0]])  # the margin alone would turn the first over
    label = torch.tensor([[0, 1], [0, 1], [1, 0]])
    weight = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    assert head.loss(embedding, label, weight)[1].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_stay_finite_at_the_poles(name):
    torch.manual_seed(0)
    head = build_head(name, 4, 4, None, 64.0)
    at = [head.weight[0], -head.weight[1], head.weight[2] * 1e4, torch.zeros(4)]
    embedding = torch.stack(at).detach().requires_grad_()
    loss, _ = head.loss(embedding, torch.arange(4)[:, None], torch.ones(4, 1))
    loss.backward()
    assert loss.isfinite() and embedding.grad.isfinite().all() and head.weight.grad.isfinite().all()


def test_adaface_statistics_move_in_training_only():
    head = AdaFace(3, 4, 0.4, 64.0)
    embedding, label = torch.randn(8, 4) * 7, torch.zeros(8, dtype=torch.int64)
    head.eval().logits(embedding, label)
    assert (head.mean, head.std) == (20, 100)
    head.train().logits(embedding, label)
    assert head.mean.item() == pytest.approx(20 * 0.99 + 0.01 * embedding.norm(dim=1).mean().item())
    assert set(head.state_dict()) == {"weight", "mean", "std"}


def test_curricularface_t_follows_the_labels_cosine_in_training_only():
    head = CurricularFace(3, 4, 0.5, 64.0)
    embedding = head.weight.detach()[[0, 1, 2]]  # cosine 1 at the label
    head.eval().logits(embedding, torch.arange(3))
    assert head.t == 0
    for step in range(1, 4):
        head.train().logits(embedding, torch.arange(3))
        assert head.t.item() == pytest.approx(1 - 0.99**step, rel=1e-5)
    assert set(head.state_dict()) == {"weight", "t"}


def test_curricularface_raises_what_exceeds_the_turned_cosine_even_beyond_pi():
    """At θ = π the label's own logit is cos θ − m sin m, the bound of hard negatives cos(π + m) = −0.878, as published."""
    head = CurricularFace(3, 2, 0.5, 1.0).eval()
    head.t.fill_(0.5)
    head.weight.data.copy_(torch.tensor([[-1.0, 0.0], [-0.95, math.sqrt(1 - 0.95**2)], [0.6, 0.8]]))
    logits = head.logits(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    expected = torch.tensor([[-1 - 0.5 * math.sin(0.5), -0.95, 0.6 * (0.5 + 0.6)]])
    torch.testing.assert_close(logits, expected)


def test_magface_draws_up_the_norm_of_faces_it_knows():
    """Sec. 3.2: where the cosine is high, a greater norm costs less; where it is low, the margin's price keeps it down."""
    head = build_head("magface", 8, 8, None, 64.0)
    head.weight.data.copy_(torch.eye(8))
    easy = torch.tensor([[50.0, 1, 1, 0, 0, 0, 0, 0]], requires_grad=True)
    hard = torch.tensor([[20.0, 40, 1, 0, 0, 0, 0, 0]], requires_grad=True)
    for embedding, sign in ((easy, -1), (hard, 1)):
        loss, _ = head.loss(embedding, torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
        loss.backward()
        assert torch.sign((embedding.grad * embedding).sum()) == sign


def test_uniface_learns_its_threshold():
    head = build_head("uniface", 1000, 8, None, 64.0)
    assert head.bias.item() == pytest.approx(math.log(10_000))
    loss, _ = head.loss(torch.randn(4, 8), torch.arange(4)[:, None], torch.ones(4, 1))
    loss.backward()
    assert head.bias.grad.abs() > 0


@pytest.mark.parametrize("name", HEADS)
def test_bf16_embeddings_under_autocast_are_judged_in_fp32(name):
    torch.manual_seed(0)
    head = build_head(name, 5, 8, None, 64.0).eval()
    embedding, label, weight = torch.randn(4, 8, dtype=torch.bfloat16), torch.arange(4)[:, None], torch.ones(4, 1)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = head.loss(embedding, label, weight)
        if name in SOFTMAX_HEADS:
            assert head.logits(embedding, label).dtype == torch.float32
    assert loss.dtype == torch.float32
    assert torch.equal(loss, head.loss(embedding.float(), label, weight)[0])


def test_margin_of_none_is_the_published_one():
    assert {name: build_head(name, 2, 2, None, 64.0).margin for name in HEADS} == MARGINS
    assert build_head("arcface", 2, 2, 0.0, 64.0).margin == 0


def test_unknown_head_is_refused():
    with pytest.raises(InputError, match="'sphereface' is not known; expected one of adaface, arcface, "):
        build_head("sphereface", 2, 2, 0.4, 64.0)

"""DCFace: what it is conditioned on, which pairs it learns from, its losses against naive loops."""

import math
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from semihard.compute.tensors import to_float
from semihard.errors import InputError
from semihard.generator.methods.dcface.network import (
    DCFaceUNet,
    IdentityExtractor,
    StyleFeatures,
    condition,
    grid_statistics,
)
from semihard.generator.methods.dcface.objective import DCFaceObjective, by_similarity
from semihard.generator.methods.dcface.settings import DCFaceGenerator
from semihard.generator.objective import noise_schedule
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.storage.faceset import FaceSet, FaceSetWriter
from tests.unit.toy_generator import SIZE, toy_embedder, toy_images

SCHEDULE = noise_schedule(1000, 1e-4, 0.02)
CPU = torch.device("cpu")


def entry(**given) -> DCFaceGenerator:
    defaults = {"network": "tiny", "image_size": SIZE, "batch": 8, "precision": "fp32"}
    return DCFaceGenerator(method="dcface", trained_on="f", embedder="e", **(defaults | given))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory) -> Embedder:
    return load_embedder(toy_embedder(tmp_path_factory.mktemp("embedder") / "embedder.safetensors"))


def objective_of(folder, embedder, names: list[str], **given) -> DCFaceObjective:
    """Of toy images of the people `names`, one image each time a name comes."""
    with FaceSetWriter(folder / "faces.h5", (SIZE, SIZE), "png") as writer:
        writer.add(toy_images(len(names)), names)
    images = torch.from_numpy(toy_images(len(names))).permute(0, 3, 1, 2).contiguous()
    embeddings = nn.functional.normalize(embedder.embed(images)).clone()
    return DCFaceObjective(entry(**given), FaceSet(folder / "faces.h5"), images, embeddings, embedder, CPU)


def randomised() -> DCFaceUNet:
    """A fresh network, but for what starts at zero or next to it."""
    torch.manual_seed(0)
    network = DCFaceUNet("tiny", SIZE, SCHEDULE, 3, 16, "tiny")
    for parameter in [*network.unet.parameters(), network.scale]:
        nn.init.normal_(parameter, 0, 0.1)
    return network.eval()


def inputs(n: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    images = [torch.randn(n, 3, SIZE, SIZE) for _ in range(2)]
    return [images[0], torch.randint(1000, (n,)), images[1], torch.randn(n, 16, SIZE // 2, SIZE // 2)]


# ── the network ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_published_token_counts():
    """5 × 5 + 1 of style; 7 × 7 + 1 of identity; 512 long, as is what is added to the time embedding."""
    with torch.device("meta"):
        network = DCFaceUNet("dcface_112", 112, SCHEDULE, 5, 64, "iresnet50")
        image, style = torch.empty(2, 3, 112, 112), torch.empty(2, 64, 56, 56)
        assert network.E_sty(style).shape == (2, 26, 512)
        assert network.E_id(image)[0].shape == (2, 50, 512)
        tokens, added = network.tokens(image, style)
        assert (tokens.shape, added.shape) == ((2, 76, 512), (2, 512))
        assert network(image, torch.zeros(2, dtype=torch.long), image, style).shape == image.shape


@pytest.mark.parametrize(
    ("backbone", "size", "expected"),
    [
        ("iresnet50", 112, (64, 56, 56)),  # the paper's
        ("iresnet18", 112, (64, 56, 56)),
        ("mobilefacenet", 112, (128, 56, 56)),
        ("tiny", 30, (16, 15, 15)),
    ],
)
def test_style_features_end_at_half_the_side(backbone, size, expected):
    torch.manual_seed(0)
    whole = build_backbone(backbone, (size, size), 8)
    features = StyleFeatures(Embedder(whole, EmbedderSpec(backbone, (size, size), 8)))
    x = torch.rand(2, 3, size, size) * 2 - 1
    assert features.channels == expected[0]
    assert features(x).shape == (2, *expected)
    if backbone != "mobilefacenet":  # the first stage of a residual network, untouched
        stem = whole.eval().prelu(whole.bn1(whole.conv1(features.prepare(x))))
        assert torch.allclose(features(x), whole.layer1(stem), rtol=1e-3, atol=1e-4 * float(features(x).abs().max()))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(6, 13), st.integers(0, 99))
def test_grid_statistics_are_those_of_the_cells(k: int, side: int, seed: int):
    features = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 3 + 1
    mean, std = grid_statistics(features, k)
    cells = [(slice(None), slice(None))]
    edges = [slice(math.floor(i * side / k), math.ceil((i + 1) * side / k)) for i in range(k)]
    cells += [(rows, columns) for rows in edges for columns in edges]
    assert mean.shape == std.shape == (2, k * k + 1, 3)
    for token, (rows, columns) in enumerate(cells):
        values = features[:, :, rows, columns].flatten(2).double().numpy()
        assert np.allclose(mean[:, token], values.mean(2), atol=1e-4)
        assert np.allclose(std[:, token], values.std(2), atol=5e-3)


def test_a_flat_cell_has_a_finite_slope():
    features = torch.zeros(1, 2, 6, 6, requires_grad=True)
    grid_statistics(features, 3)[1].sum().backward()
    assert features.grad.isfinite().all()


def test_identity_extractor_is_the_backbone_and_its_last_map():
    torch.manual_seed(0)
    extractor = IdentityExtractor("tiny", 32, 128).eval()
    torch.manual_seed(0)
    backbone = build_backbone("tiny", (32, 32), 128).eval()
    maps = []
    backbone.bn2.register_forward_hook(lambda module, given, made: maps.append(made))
    x = torch.randn(3, 3, 32, 32)
    tokens, f_id = extractor(x)
    assert torch.allclose(f_id, backbone(x), atol=1e-5)
    expected = torch.cat([f_id[:, None], maps[0].flatten(2).transpose(1, 2)], 1)
    assert torch.allclose(tokens - extractor.position, expected, atol=1e-5)


@pytest.mark.parametrize("which", [0, 1, 2, 3], ids=["x_t", "t", "x_id", "style"])
def test_every_input_matters_to_its_own_sample_alone(which: int):
    network = randomised()
    before = inputs(2)
    after = [value.clone() for value in before]
    after[which][0] = inputs(4)[which][3]
    with torch.no_grad():
        moved = (network(*before) - network(*after)).abs().amax((1, 2, 3))
    assert moved[0] > 1e-5
    assert moved[1] < 1e-6


def test_identity_is_added_to_the_time_embedding_at_a_thousandth():
    network = DCFaceUNet("tiny", SIZE, SCHEDULE, 3, 16, "tiny").eval()
    _, _, x_id, style = inputs(3)
    with torch.no_grad():
        _, f_id = network.E_id(x_id)
        added = network.tokens(x_id, style)[1]
    assert torch.allclose(added[:, : f_id.shape[1]], 0.001 * f_id)
    assert not added[:, f_id.shape[1] :].any()


def test_conditions_are_looked_at_once_and_predict_the_same(embedder):
    network, features = randomised(), StyleFeatures(embedder)
    x_t, t, x_id, _ = inputs(3)
    x_sty = torch.rand(3, 3, SIZE, SIZE) * 2 - 1
    calls = []
    network.E_id.register_forward_hook(lambda *given: calls.append(1))
    with torch.inference_mode():
        predict = condition(network, features, x_id, x_sty)
        found = [predict(x_t, t), predict(x_t + 1, t)]
        assert len(calls) == 1
        expected = [network(x, t, x_id, features(x_sty)) for x in (x_t, x_t + 1)]
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


# ── the pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0.0, 0.1, 0.34, 0.7]))
def test_ranking_and_trimming_equal_a_loop_over_classes(seed: int, trim: float):
    random = np.random.default_rng(seed)
    identity = random.permutation(np.repeat(np.arange(6), random.integers(1, 12, 6))).astype(np.int32)
    embedding = random.normal(size=(len(identity), 5))
    embedding = (embedding / np.linalg.norm(embedding, axis=1, keepdims=True)).astype(np.float32)
    with patch("semihard.generator.methods.dcface.objective.ROWS", 7):
        order, start, kept = by_similarity(torch.from_numpy(embedding), identity, trim)
    for k in range(6):
        members = np.flatnonzero(identity == k)
        center = embedding[members].astype(np.float64).mean(0)
        ranked = sorted(members, key=lambda row: -embedding[row] @ center)
        assert order[start[k] : start[k] + len(members)].tolist() == ranked
        assert kept[k] == len(members) - math.floor(round(trim * len(members), 6))


def test_targets_and_identity_images_are_what_the_paper_says(tmp_path, embedder):
    """Of 10, 5, 2 and 1 images: trim 0.2 leaves 8, 4, 2; a single one is no target; the nearest 3 but itself say who."""
    names = ["a"] * 10 + ["b"] * 5 + ["c"] * 2 + ["d"]
    names = [names[i] for i in np.random.default_rng(3).permutation(len(names))]
    objective = objective_of(tmp_path, embedder, names, trim=0.2, nearest=3)
    order, start, kept = by_similarity(objective.embeddings, FaceSet(tmp_path / "faces.h5").identity, 0.2)
    targets = {}
    for first, count in zip(start.tolist(), kept.tolist(), strict=True):
        ranked = order[first : first + count].tolist()
        for row in ranked:
            targets[row] = set([other for other in ranked if other != row][:3])
    targets = {row: others for row, others in targets.items() if others}
    assert objective.rows.dtype == np.int64 and objective.rows.tolist() == sorted(targets) and len(targets) == 14
    torch.manual_seed(0)
    rows = torch.from_numpy(objective.rows).repeat(200)
    drawn = objective.draw_id(rows)
    for row, others in targets.items():
        values, counts = drawn[rows == row].unique(return_counts=True)
        assert set(values.tolist()) == others
        assert counts.min() > 0.5 * 200 / len(others)


def test_what_is_drawn_is_a_function_of_the_seed(tmp_path, embedder):
    objective = objective_of(tmp_path, embedder, ["a", "b"] * 6)
    rows = torch.tensor([3, 3, 0, 7])
    torch.manual_seed(5)
    first = objective.draw(rows)
    torch.manual_seed(5)
    again = objective.draw(rows)
    torch.manual_seed(5)
    x_id = objective.draw_id(rows)
    assert all(torch.equal(first[name], again[name]) for name in ("x_id", "f_id", "f_sty"))
    assert torch.equal(first["x_id"], objective.images[x_id])
    assert torch.equal(first["f_id"], objective.embeddings[x_id])
    assert torch.equal(first["f_sty"], objective.embeddings[rows])


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["a", "a", ""], {}, "1 of 3 images have no identity.*train it on a labelled face set"),
        (["a", "b", "c"], {}, "no identity has two images after trim 0.1"),
        (["a", "a", "b"], {"trim": 0.5}, "no identity has two images after trim 0.5"),
    ],
)
def test_refuses_a_face_set_without_pairs(tmp_path, embedder, names, given, message):
    with pytest.raises(InputError, match=message):
        objective_of(tmp_path, embedder, names, **given)


# ── the losses ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Linear(nn.Module):
    """A stand-in for the network that uses all it is given."""

    def forward(self, x_t, t, x_id, style):
        return 0.8 * x_t + 0.1 * x_id + (t / 1000 + style.mean((1, 2, 3)))[:, None, None, None] * 0.01


@pytest.mark.parametrize(("mse_target", "cap"), [("epsilon", None), ("velocity", None), ("velocity", 5.0)])
def test_losses_equal_a_loop_over_samples(tmp_path, embedder, mse_target, cap):
    objective = objective_of(
        tmp_path, embedder, ["a", "b"] * 6, mse_target=mse_target, weight_cap=cap, **{"lambda": 0.3}
    )
    torch.manual_seed(0)
    rows, t = torch.tensor([0, 3, 4, 7, 9, 11]), torch.tensor([0, 1, 250, 500, 750, 999])
    x, drawn = to_float(objective.images[rows]), objective.draw(rows)
    eps = torch.randn_like(x)
    got = objective.losses(Linear(), x, t, eps, **drawn)

    betas = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1000)]
    totals = dict.fromkeys(("loss", "loss_mse", "loss_id"), 0.0)
    for i, step in enumerate(t.tolist()):
        abar = math.prod(1 - beta for beta in betas[: step + 1])
        x_t = math.sqrt(abar) * x[i] + math.sqrt(1 - abar) * eps[i]
        style = objective.style_features(x[i : i + 1])
        predicted = 0.8 * x_t + 0.1 * to_float(drawn["x_id"][i]) + 0.01 * (step / 1000 + style.mean())
        x0 = ((x_t - math.sqrt(1 - abar) * predicted) / math.sqrt(abar)).clamp(-1, 1)
        made = embedder(x0[None])[0].numpy()
        cosines = [float(made @ wanted[i].numpy()) / np.linalg.norm(made) for wanted in (drawn["f_id"], drawn["f_sty"])]
        weight = 1 / abar if mse_target == "velocity" else 1
        weight = weight if cap is None else min(weight, cap * (1 - abar) / abar)
        loss_mse = weight * float(((predicted - eps[i]) ** 2).mean())
        loss_id = -step / 1000 * cosines[0] - (1 - step / 1000) * cosines[1]
        for name, value in (("loss", loss_mse + 0.3 * loss_id), ("loss_mse", loss_mse), ("loss_id", loss_id)):
            totals[name] += value / len(t)
    assert {name: float(loss) for name, loss in got.items()} == pytest.approx(totals, rel=1e-3)


def test_gradient_reaches_everything_but_the_embedder(tmp_path, embedder):
    objective = objective_of(tmp_path, embedder, ["a", "b"] * 6)
    network = randomised().train()
    rows = torch.arange(6)
    x = to_float(objective.images[rows])
    t = torch.full((6,), 100)
    objective.losses(network, x, t, torch.randn_like(x), **objective.draw(rows))["loss"].backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == {"E_id.features.weight"}  # insightface's fixed scale
    dead = {name for name, parameter in network.named_parameters() if name not in without and not parameter.grad.any()}
    assert not dead
    assert all(parameter.grad is None for parameter in embedder.parameters())


def test_learns(tmp_path, embedder):
    objective = objective_of(tmp_path, embedder, ["a", "b"] * 6, mse_target="velocity")
    torch.manual_seed(0)
    network = DCFaceUNet("tiny", SIZE, SCHEDULE, 3, objective.style_features.channels, "tiny").train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    rows = torch.from_numpy(objective.rows)
    x, t = to_float(objective.images[rows]), torch.linspace(0, 999, len(rows)).long()
    batch = {"x": x, "t": t, "eps": torch.randn_like(x), **objective.draw(rows)}
    history = []
    for _ in range(20):
        losses = objective.losses(network, **batch)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    assert history[-1]["loss_mse"] < 0.6 * history[0]["loss_mse"]
    assert history[-1]["loss_id"] < history[0]["loss_id"] - 0.05

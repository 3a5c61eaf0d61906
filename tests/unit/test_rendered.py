"""Rendered faces: deterministic to the byte, true to their coefficients, and no recognizer needed to see that they are hard."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.errors import InputError
from semihard.sources import rendered
from semihard.sources.rendered.camera import TEMPLATE, _sin_cos
from semihard.sources.rendered.morphable import traits
from semihard.sources.rendered.nuisance import directional_light, harmonics


def plain(n: int, **changes: np.ndarray) -> rendered.Nuisance:
    """Nuisance without any nuisance: frontal, neutral, evenly lit, nothing worn, sharp."""
    drawn = rendered.draw_nuisance(0, np.zeros(n, int), np.zeros(n, int))
    off = {field.name: np.zeros_like(getattr(drawn, field.name)) for field in fields(drawn)}
    off["hair"][:, 3] = 1
    off["camera"][:, 2] = 1
    off["glasses"][:, 1:4] = [10, 7, 1]
    off["background"] += 0.5
    off["gamma"].reshape(n, 9, 3)[:, 0] = 0.6
    off["gamma"].reshape(n, 9, 3)[:, 3] = 0.3
    return replace(rendered.Nuisance(**off), **changes)


def lit_from(x: float, y: float, z: float) -> np.ndarray:
    light = np.array([[x, y, z]]) / np.linalg.norm([x, y, z])
    gamma = np.zeros((1, 9, 3), np.float32)
    gamma[:, 0] = 0.2
    return (gamma + 0.8 * directional_light(light)[:, :, None]).reshape(1, 27).astype(np.float32)


def stream(identities: int, per_identity: int, seed: int, **how: int | tuple[str, ...]) -> list[np.ndarray]:
    batches = list(rendered.rendered_faces(identities, per_identity, seed, **how))
    return [
        np.concatenate([getattr(b, name) for b in batches])
        for name in ("images", "identity", "index", "alpha", "theta")
    ]


def test_shapes_and_types():
    (batch,) = rendered.rendered_faces(2, 3, seed=1)
    assert batch.images.shape == (6, 112, 112, 3) and batch.images.dtype == np.uint8
    assert batch.identity.tolist() == [0, 0, 0, 1, 1, 1] and batch.identity.dtype == np.int64
    assert batch.index.tolist() == [0, 1, 2, 0, 1, 2] and batch.index.dtype == np.int64
    assert batch.alpha.shape == (6, rendered.ALPHA_DIM) and batch.alpha.dtype == np.float32
    assert batch.theta.shape == (6, rendered.THETA_DIM) and batch.theta.dtype == np.float32
    nuisance = rendered.draw_nuisance(1, batch.identity, batch.index)
    assert nuisance.beta.shape == (6, rendered.BETA_DIM) and nuisance.gamma.shape == (6, rendered.GAMMA_DIM)
    assert np.array_equal(batch.theta, np.degrees(nuisance.theta))
    for values in batch.attributes.values():
        assert values.shape == (6,) and values.dtype == np.int8 and set(values.tolist()) <= {0, 1}
    assert len(batch.images[0].reshape(-1, 3).tolist()) > 1 and batch.images.std() > 20


def test_images_do_not_hang_on_batches_order_or_threads():
    images, identity, index, alpha, _ = stream(4, 4, seed=3)
    for batch in (1, 3, 7):
        assert np.array_equal(images, stream(4, 4, seed=3, batch=batch)[0])
    shuffled = np.random.default_rng(0).permutation(16)
    nuisance = rendered.draw_nuisance(3, identity[shuffled], index[shuffled])
    assert np.array_equal(images[shuffled], rendered.render(alpha[shuffled], nuisance))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert np.array_equal(images, stream(4, 4, seed=3)[0])
    finally:
        torch.set_num_threads(threads)


def test_more_images_or_identities_leave_the_others_as_they_are():
    few, many = stream(2, 3, seed=3), stream(4, 5, seed=3)
    same = (many[1] < 2) & (many[2] < 3)
    for a, b in zip(few, many, strict=True):
        assert np.array_equal(a, b[same])


def test_first_identity_cuts_disjoint_sets_from_one_seed():
    whole, tail = stream(5, 2, seed=9), stream(2, 2, seed=9, first_identity=3)
    assert np.array_equal(whole[0][6:], tail[0]) and np.array_equal(whole[3][6:], tail[3])
    assert tail[1].tolist() == [0, 0, 1, 1]
    alpha = rendered.draw_identities(range(400), 9)
    assert len(np.unique(alpha, axis=0)) == 400
    names = {rendered.identity_name(seed, k) for seed in (0, 1, 11) for k in range(200)}
    assert len(names) == 600 and rendered.identity_name(0, 12) == "rendered-0-00012"


def test_one_factor_varies_and_the_others_are_neutral():
    identity, index = np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)
    drawn = rendered.draw_nuisance(3, identity, index)
    assert {name for names in rendered.FACTORS.values() for name in names} == {field.name for field in fields(drawn)}
    for factor in rendered.FACTORS:
        held = rendered.hold(drawn, (factor,))
        for other, names in rendered.FACTORS.items():
            for name in names:
                now, before = getattr(held, name), getattr(drawn, name)
                assert now.dtype == before.dtype and now.shape == before.shape
                assert np.array_equal(now, before) if other == factor else len(np.unique(now, axis=0)) == 1
        images = stream(2, 3, seed=3, vary=(factor,))[0]
        assert np.array_equal(images, rendered.render(rendered.draw_identities([0, 1], 3)[identity], held))
        assert len(np.unique(images, axis=0)) == 6 and 60 < images.mean() < 170
    assert np.ptp(stream(2, 3, seed=3, vary=("pose",))[4], 0).min() > 0
    assert not stream(2, 3, seed=3, vary=("expression", "illumination"))[4].any()


def test_all_factors_vary_where_none_is_named():
    everything = stream(2, 3, seed=3)[0]
    assert np.array_equal(everything, stream(2, 3, seed=3, vary=())[0])
    assert np.array_equal(everything, stream(2, 3, seed=3, vary=tuple(rendered.FACTORS))[0])


def test_seeds_differ():
    assert not np.array_equal(rendered.draw_identities(range(2), 0), rendered.draw_identities(range(2), 1))
    a, b = (rendered.draw_nuisance(seed, np.arange(3), np.arange(3)) for seed in (0, 1))
    assert not np.array_equal(a.theta, b.theta)


def test_identity_coefficients_are_standard_normal():
    alpha = rendered.draw_identities(range(2000), 4)
    assert np.abs(alpha.mean(0)).max() < 0.1 and np.abs(alpha.std(0) - 1).max() < 0.1
    correlation = np.corrcoef(alpha.T) - np.eye(rendered.ALPHA_DIM)
    assert np.abs(correlation).max() < 0.12


def test_mixup_ends_at_its_two_identities():
    a, b = rendered.draw_identities(range(2), 6)[:, None]
    nuisance = rendered.draw_nuisance(6, np.array([0]), np.array([0]))
    first, second = rendered.render(a, nuisance), rendered.render(b, nuisance)
    assert np.array_equal(rendered.render(rendered.mix_identities(a, b, 1.0), nuisance), first)
    assert np.array_equal(rendered.render(rendered.mix_identities(a, b, 0.0), nuisance), second)
    phi = np.array([0.25, 0.5], np.float32)
    mixed = rendered.mix_identities(np.repeat(a, 2, 0), np.repeat(b, 2, 0), phi)
    assert mixed.dtype == np.float32
    assert np.allclose(mixed, phi[:, None] * a + (1 - phi[:, None]) * b, atol=1e-6)


def test_a_mixed_face_lies_between():
    """Closer to the nearer identity: mean distance over pairs, all under the same plain nuisance."""
    a, b = np.split(rendered.draw_identities(range(12), 6), 2)
    near, half, far = (
        np.abs(
            rendered.render(rendered.mix_identities(a, b, phi), plain(6)) - rendered.render(a, plain(6)).astype(float)
        ).mean()
        for phi in (0.8, 0.5, 0.0)
    )
    assert 0 < near < half < far


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 6))
def test_any_coefficients_make_a_face(seed, spread):
    """Far outside the drawn range too the traits stay bounded and the picture is neither flat nor broken."""
    alpha = rendered.draw_identities(range(2), seed) * np.float32(spread)
    nuisance = rendered.draw_nuisance(seed, np.arange(2), np.arange(2))
    points = rendered.landmarks(alpha, nuisance)
    assert np.isfinite(points).all() and (points > 0).all() and (points < 112).all()
    assert (rendered.render(alpha, nuisance).reshape(2, -1).std(1) > 3).all()


def test_frontal_faces_are_framed_like_an_aligned_crop():
    points = rendered.landmarks(rendered.draw_identities(range(50), 0), plain(50))
    assert np.abs(points.mean(0) - TEMPLATE).max() < 2.5
    assert np.abs(points - TEMPLATE).max() < 8


def test_eyes_are_painted_where_the_landmarks_say():
    """What a blink changes is centered on the eyes at every yaw."""
    n = 8
    alpha = rendered.draw_identities(range(n), 0)
    theta = np.zeros((n, 3), np.float32)
    theta[:, 0] = np.linspace(-0.45, 0.45, n)
    opened, closed = plain(n, theta=theta), plain(n, theta=theta)
    closed.beta[:, 4] = 1
    change = np.abs(rendered.render(alpha, opened).astype(float) - rendered.render(alpha, closed)).sum(3)
    for image, points in zip(change, rendered.landmarks(alpha, opened), strict=True):
        middle = round(points[:2, 0].mean())
        for columns, point in ((slice(0, middle), points[0]), (slice(middle, 112), points[1])):
            weights = np.zeros_like(image)
            weights[:, columns] = image[:, columns]
            y, x = (np.indices(image.shape) * weights).sum((1, 2)) / weights.sum() + 0.5
            assert abs(x - point[0]) < 3 and abs(y - point[1]) < 3


def test_yaw_moves_the_nose_and_pitch_the_eyes():
    """Yaw > 0 turns the nose to the image's right and brings the far eye closer to it; pitch > 0 lifts the nose to the eyes."""
    alpha = np.repeat(rendered.draw_identities(range(1), 0), 4, 0)
    theta = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, -0.3, 0], [0, 0.3, 0]], np.float32)
    left, right, down, up = rendered.landmarks(alpha, plain(4, theta=theta))
    assert left[2, 0] < left[:2, 0].mean() - 4 and right[2, 0] > right[:2, 0].mean() + 4
    assert right[1, 0] - right[2, 0] < right[2, 0] - right[0, 0]
    assert np.allclose(left[:, 0] - 56.08, 56.08 - right[[1, 0, 2, 4, 3], 0], atol=0.5)
    assert up[2, 1] - up[:2, 1].mean() < down[2, 1] - down[:2, 1].mean() - 3
    rolled = rendered.landmarks(alpha[:1], plain(1, theta=np.array([[0, 0, 0.1]], np.float32)))[0]
    assert rolled[1, 1] < rolled[0, 1] - 2  # counter-clockwise: the right eye goes up


def test_camera_jitter_shifts_and_scales():
    alpha = np.repeat(rendered.draw_identities(range(1), 0), 3, 0)
    camera = np.array([[0, 0, 1], [3, -2, 1], [0, 0, 1.05]], np.float32)
    base, moved, scaled = rendered.landmarks(alpha, plain(3, camera=camera))
    assert np.allclose(moved - base, [3, -2], atol=1e-3)
    assert np.allclose(scaled - scaled.mean(0), 1.05 * (base - base.mean(0)), atol=1e-3)


def test_light_brightens_its_side():
    alpha = rendered.draw_identities(range(6), 2)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        gamma = np.repeat(lit_from(x, y, 0.3), 6, 0)
        face = rendered.render(alpha, plain(6, gamma=gamma))[:, 45:100, 30:82].astype(float).mean(3)
        horizontal = face[:, :, 26:].mean((1, 2)) - face[:, :, :26].mean((1, 2))
        assert (np.sign(horizontal) == np.sign(x)).all() if x else (np.abs(horizontal) < 12).all()
    above, below = (rendered.render(alpha, plain(6, gamma=np.repeat(lit_from(0, y, 0.3), 6, 0))) for y in (1, -1))
    forehead, chin = np.s_[:, 30:40, 46:66], np.s_[:, 100:106, 46:66]
    ratio = [images[forehead].mean() / images[chin].mean() for images in (above, below)]
    assert ratio[0] > ratio[1] + 0.2
    red = rendered.render(
        alpha,
        plain(
            6,
            gamma=(np.tile([0.5, 0.3, 0.1], (6, 9, 1)) * (np.arange(9) == 0)[:, None])
            .reshape(6, 27)
            .astype(np.float32),
        ),
    )
    assert red[..., 0].mean() > red[..., 1].mean() > red[..., 2].mean()


def test_irradiance_is_the_clamped_cosine():
    """Second-order harmonics of max(0, cos) differ from it by less than 0.1 everywhere (Ramamoorthi and Hanrahan 2001)."""
    normals = np.random.default_rng(0).standard_normal((500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    light = normals[:1]
    approximation = (directional_light(light) @ harmonics(normals.T[None])[0])[0]
    assert np.abs(approximation - np.maximum(normals @ light[0], 0)).max() < 0.1


def test_sine_and_cosine():
    angle = np.linspace(-1, 1, 201, dtype=np.float32)
    sin, cos = _sin_cos(angle)
    assert np.allclose(sin, np.sin(angle), atol=1e-6) and np.allclose(cos, np.cos(angle), atol=1e-6)


def test_attributes_follow_the_coefficients():
    n = 300
    alpha = rendered.draw_identities(range(n), 1)
    nuisance = rendered.draw_nuisance(1, np.arange(n), np.zeros(n, int))
    named, f = rendered.attributes(alpha, nuisance), traits(alpha, nuisance.beta)
    assert np.array_equal(named["Smiling"], nuisance.beta[:, 0] > 0.35)
    assert np.array_equal(named["Eyeglasses"], nuisance.glasses[:, 0])
    assert np.array_equal(named["Wearing_Hat"], nuisance.hat[:, 0])
    assert np.array_equal(named["Looking_Left"], nuisance.theta[:, 0] < -0.26)
    hair = sum(named[k] for k in ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair", "Bald"))
    assert (hair == 1).all()
    assert (
        not (named["Pale_Skin"] & named["Dark_Skin"]).any()
        and not (named["Looking_Left"] & named["Looking_Right"]).any()
    )
    assert f.melanin[named["Dark_Skin"] == 1].min() > f.melanin[named["Dark_Skin"] == 0].max()
    rare = {name: values.mean() for name, values in named.items()}
    assert all(0 < share < 1 for share in rare.values()), rare


def test_attributes_show_in_the_picture():
    n = 40
    alpha = rendered.draw_identities(range(n), 5)
    named = rendered.attributes(alpha, plain(n))
    images = rendered.render(alpha, plain(n)).astype(float)
    cheek = images[:, 66:76, 32:42].mean((1, 2, 3))
    assert cheek[named["Dark_Skin"] == 1].max() < cheek[named["Pale_Skin"] == 1].min()
    top = images[:, 0:4, 46:66].mean((1, 2, 3))
    assert top[named["Black_Hair"] == 1].mean() < 0.6 * top[named["Blond_Hair"] == 1].mean()
    worn = plain(n)
    worn.glasses[:, 0] = 1
    rows = np.abs(rendered.render(alpha, worn) - images).mean((0, 2, 3))
    assert rows[52:56].mean() > 4 and rows[90:].max() == 0


def test_eyes_close_and_mouths_open():
    alpha = rendered.draw_identities(range(10), 5)
    opened, closed = plain(10), plain(10)
    closed.beta[:, 4] = 1
    opened.beta[:, 1] = 1
    base = rendered.render(alpha, plain(10)).astype(float)
    change = [np.abs(rendered.render(alpha, nuisance) - base).mean((0, 2, 3)) for nuisance in (closed, opened)]
    assert 46 <= change[0].argmax() <= 58 and change[0][75:].max() < 0.5
    assert 88 <= change[1].argmax() <= 111 and change[1][:40].max() < 2


@pytest.mark.parametrize("size", [32, 112, 160])
def test_other_sizes_show_the_same_picture(size):
    alpha = rendered.draw_identities(range(3), 5)
    image = torch.from_numpy(rendered.render(alpha, plain(3), size)).permute(0, 3, 1, 2).float()
    reference = torch.from_numpy(rendered.render(alpha, plain(3), 112)).permute(0, 3, 1, 2).float()
    assert image.shape == (3, 3, size, size)
    small = [torch.nn.functional.interpolate(x, (28, 28), mode="bilinear", antialias=True) for x in (image, reference)]
    assert (small[0] - small[1]).abs().mean() < 3


def test_identity_is_in_the_pixels_but_not_for_the_taking():
    """Nearest mean of 14 px pictures: over chance (0.1), far from solved; across light and pose pixels say little."""
    images, identity, index, *_ = stream(10, 15, seed=7)
    x = torch.nn.functional.avg_pool2d(torch.from_numpy(images).permute(0, 3, 1, 2).float(), 8).flatten(1).numpy()
    train = index < 9
    means = np.stack([x[train & (identity == k)].mean(0) for k in range(10)])
    nearest = ((x[~train, None] - means) ** 2).sum(2).argmin(1)
    accuracy = (nearest == identity[~train]).mean()
    assert 0.2 < accuracy < 0.8
    within = np.mean([x[identity == k].var(0).mean() for k in range(10)])
    assert within > means.var(0).mean()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"identities": 0}, "identities = 0"),
        ({"per_identity": 0}, "per_identity = 0"),
        ({"batch": 0}, "batch = 0"),
        ({"first_identity": -1}, "first_identity >= 0"),
        ({"seed": -1}, "seed"),
        ({"size": 8}, "8 px"),
    ],
)
def test_bad_requests_are_told(arguments, told):
    with pytest.raises(InputError, match=told):
        next(rendered.rendered_faces(**{"identities": 1, "per_identity": 1, "seed": 0, **arguments}))


def test_one_identity_per_nuisance():
    with pytest.raises(InputError, match="one per image"):
        rendered.render(rendered.draw_identities(range(2), 0), plain(3))

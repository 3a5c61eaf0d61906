"""Augmentation: switched off it changes nothing; switched on it is torchvision's per image, with the asked-for frequencies."""

import colorsys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from semihard.recognizer import augmentation as A

OFF = SimpleNamespace(crop_scale=1.0, erasing_scale=(0.0, 0.0), colour_jitter=0.0, low_resolution=0.0)
PAPER = SimpleNamespace(crop_scale=0.9, erasing_scale=(0.02, 0.1), colour_jitter=0.1, low_resolution=0.2)


def images(n: int, height: int = 12, width: int = 10) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8)


def test_switched_off_only_the_mirror_image_is_left():
    pixels = images(400)
    x = A.augment(pixels, OFF)
    plain = pixels.float() / 127.5 - 1
    same = (x - plain).abs().amax((1, 2, 3)) < 1e-6
    mirrored = (x - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-6
    assert (same | mirrored).all()
    assert 150 < same.sum() < 250


def test_everything_on_stays_in_range_and_is_repeatable():
    pixels = images(64, 32, 32)
    torch.manual_seed(3)
    x = A.augment(pixels, PAPER)
    torch.manual_seed(3)
    assert torch.equal(x, A.augment(pixels, PAPER))
    assert x.shape == pixels.shape and x.dtype == torch.float32
    assert x.min() >= -1 - 1e-5 and x.max() <= 1 + 1e-5
    assert not torch.equal(x, A.augment(pixels, PAPER))
    assert pixels.dtype == torch.uint8 and torch.equal(pixels, images(64, 32, 32))  # the input is left alone


@pytest.mark.parametrize("aspect", [1.0, 96 / 112])
def test_boxes_have_the_asked_for_area_and_shape(aspect):
    torch.manual_seed(0)
    top, left, height, width = A.random_boxes(4000, (0.1, 0.4), (0.5, 2.0), aspect, torch.device("cpu")).unbind(1)
    found = height > 0
    assert found.float().mean() > 0.99
    area, ratio = (height * width)[found], (width / height * aspect)[found]
    assert area.min() >= 0.1 - 1e-6 and area.max() <= 0.4 + 1e-6
    assert area.mean().item() == pytest.approx(0.25, abs=0.01)  # uniform
    assert ratio.min() >= 0.5 - 1e-5 and ratio.max() <= 2 + 1e-5
    assert ratio.log().mean().item() == pytest.approx(0, abs=0.03)
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height).max() <= 1 + 1e-6 and (left + width).max() <= 1 + 1e-6


def test_crop_resamples_the_box(monkeypatch):
    """A box in the middle of a linear ramp gives the ramp between its borders, mirrored or not."""
    ramp = torch.linspace(0.5, 15.5, 16).expand(2, 3, 16, 16) / 16  # value at a pixel's centre = its place
    box = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])  # the second: no box fitted
    monkeypatch.setattr(A, "random_boxes", lambda *args: box)
    seen = set()
    for seed in range(12):
        torch.manual_seed(seed)
        out = A.crop_and_flip(ramp, 0.5)
        for i, expected in enumerate((0.25 + (torch.arange(16) + 0.5) / 32, ramp[0, 0, 0])):
            plain, mirror = (torch.allclose(out[i, 1, 5], e, atol=1e-5) for e in (expected, expected.flip(0)))
            assert plain != mirror
            seen.add((i, plain))
    assert len(seen) == 4


def test_crop_of_the_paper_keeps_nine_tenths():
    """The corner pixels of a coordinate image tell what was cropped: never less than 0.9 of the area."""
    side = 64
    place = (torch.arange(side) + 0.5) / side
    image = torch.stack([place.expand(side, side), place[:, None].expand(side, side), torch.zeros(side, side)])
    out = A.crop_and_flip(image.expand(500, 3, side, side), 0.9)
    stretch = (side - 1) / side
    width = (out[:, 0, 0, -1] - out[:, 0, 0, 0]).abs() / stretch
    height = (out[:, 1, -1, 0] - out[:, 1, 0, 0]).abs() / stretch
    assert (width * height).min() > 0.9 - 0.03 and (width * height).max() <= 1 + 1e-4
    assert 0.2 < ((width < 0.999) | (height < 0.999)).float().mean() <= 1


def test_erasing_frequency_area_and_value():
    torch.manual_seed(0)
    x = torch.ones(2000, 3, 40, 40)
    out = A.erase(x, (0.02, 0.1))
    assert set(out.unique().tolist()) == {0.0, 1.0}
    share = (out[:, 0] == 0).float().mean((1, 2))
    hit = share > 0
    assert 0.46 < hit.float().mean() < 0.54
    assert share[hit].mean().item() == pytest.approx(0.06, abs=0.004)
    assert share[hit].min() > 0.01 and share[hit].max() < 0.12
    assert torch.equal(out[:, 0], out[:, 1])
    boxes = out[:, 0] == 0  # each erased region is a full rectangle
    assert torch.equal(boxes, boxes.any(2, keepdim=True) & boxes.any(1, keepdim=True))


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_brightness_contrast_saturation_are_pillows(factor):
    pixels = images(1, 20, 20)
    x, picture = pixels.float() / 255, Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    f = torch.full((1, 1, 1, 1), factor)
    ours = {
        ImageEnhance.Brightness: A.blend(x, 0.0, f),
        ImageEnhance.Contrast: A.blend(x, A.grey(x).mean((2, 3), keepdim=True), f),
        ImageEnhance.Color: A.blend(x, A.grey(x), f),
    }
    for enhancer, found in ours.items():
        expected = np.asarray(enhancer(picture).enhance(factor)).astype(float)
        assert np.abs(found[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 2


def test_hue_is_the_hsv_one():
    x = images(3, 6, 6).float() / 255
    x[0, :, 0, 0] = 0.5  # grey: any hue
    turn = torch.tensor([0.1, -0.1, 0.45]).view(3, 1, 1, 1)
    out = A.shift_hue(x, turn)
    for i in range(3):
        for row in range(6):
            for column in range(6):
                h, s, v = colorsys.rgb_to_hsv(*x[i, :, row, column].tolist())
                expected = colorsys.hsv_to_rgb((h + turn[i].item()) % 1, s, v)
                assert out[i, :, row, column].tolist() == pytest.approx(expected, abs=1e-4)


def test_jitter_draws_per_image_within_its_amount():
    torch.manual_seed(0)
    x = torch.full((500, 3, 4, 4), 0.5)
    out = A.jitter_colours(x, 0.1)
    level = out[:, 0, 0, 0]
    assert level.unique().numel() > 400
    assert level.min() >= 0.45 - 1e-6 and level.max() <= 0.55 + 1e-6


def test_low_resolution_hits_its_share_and_blurs():
    torch.manual_seed(0)
    x = torch.rand(1000, 3, 16, 16)
    hits, blurred = [], []
    for _ in range(20):
        out = A.lower_resolution(x, 0.3)
        changed = (out != x).flatten(1).any(1)
        if changed.any():  # a share close to 1 may change nothing
            hits.append(changed.float().mean().item())
            blurred.append(out[changed].std().item() <= x.std().item() + 1e-2)
        assert out.min() >= 0 and out.max() <= 1
    assert all(0.25 < hit < 0.35 for hit in hits) and len(hits) > 10
    assert all(blurred)

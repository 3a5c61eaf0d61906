"""Augmentation: given the same draws it is the papers' per-image code, and its draws have the same distribution."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, chisquare, ks_2samp
from torchvision.transforms import ColorJitter, RandomErasing, RandomResizedCrop
from torchvision.transforms.v2 import functional as V

from semihard.recognizer import augmentation as A
from semihard.recognizer import color_jitter as C
from semihard.recognizer import resampling as R

OFF = {"crop_scale": 1.0, "erasing_scale": (0.0, 0.0)} | dict.fromkeys(
    ("zoom_crop", "crop_in_place", "low_resolution", "photometric", "color_jitter"), 0.0
)
EVERYTHING = SimpleNamespace(
    crop_scale=0.9, zoom_crop=0.5, crop_in_place=0.5, low_resolution=0.5, photometric=0.5, color_jitter=0.1,
    erasing_scale=(0.02, 0.1),
)  # fmt: skip
CV2 = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
RARE = 1e-3  # p values of equal distributions are below this once in a thousand seeds; the seeds are fixed
DRAWS = 5000


def settings(**changed) -> SimpleNamespace:
    return SimpleNamespace(**(OFF | changed))


def images(n: int, height: int = 12, width: int = 10) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8)


def same_counts(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """p of two samples of integers having one distribution; values seen fewer than 20 times are one class."""
    values, which = torch.cat([ours, theirs]).unique(return_inverse=True)
    table = torch.stack([torch.bincount(part, minlength=len(values)) for part in which.split(len(ours))])
    often = table.sum(0) >= 20
    table = torch.cat([table[:, often], table[:, ~often].sum(1, keepdim=True)], 1)
    return chi2_contingency(table[:, table.sum(0) > 0].numpy()).pvalue


def box_p_values(ours: torch.Tensor, theirs: torch.Tensor) -> list[float]:
    """p of top, left, height, width, area and the two together with the place along them being distributed alike."""
    quantities = [*zip(ours, theirs, strict=True), (ours[2] * ours[3], theirs[2] * theirs[3])]
    quantities += [(ours[2] * 100 + ours[3], theirs[2] * 100 + theirs[3])]
    quantities += [
        (b[0] * 100 + b[2], t[0] * 100 + t[2]) for b, t in [(ours, theirs), (ours[[1, 0, 3]], theirs[[1, 0, 3]])]
    ]
    return [same_counts(a, b) for a, b in quantities]


def torchvision_crops(n: int, size: tuple[int, int], scale: tuple[float, float]) -> torch.Tensor:
    image = torch.zeros(3, *size)
    return torch.tensor([RandomResizedCrop.get_params(image, scale, (3 / 4, 4 / 3)) for _ in range(n)]).T


def torchvision_erasings(n: int, size: tuple[int, int], scale: tuple[float, float]) -> torch.Tensor:
    image = torch.zeros(3, *size)
    boxes = torch.tensor([RandomErasing.get_params(image, scale, (0.3, 3.3), [0.0])[:4] for _ in range(n)]).T
    whole = (boxes[2] == size[0]) & (boxes[3] == size[1])  # torchvision's way to say that no box fitted
    corner = torch.tensor([[size[0] // 2], [size[1] // 2], [0], [0]])
    return torch.where(whole, corner, boxes)


def test_switched_off_only_the_mirror_image_is_left():
    pixels = images(400)
    x = A.augment(pixels, settings())
    plain = pixels.float() / 127.5 - 1
    same = (x - plain).abs().amax((1, 2, 3)) < 1e-6
    mirrored = (x - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-6
    assert (same | mirrored).all()
    assert 150 < same.sum() < 250


@pytest.mark.parametrize("size", [(32, 32), (28, 24), (24, 28), (2, 3), (1, 1)])
def test_everything_on_stays_in_range_and_is_repeatable(size):
    pixels = images(64, *size)
    torch.manual_seed(3)
    x = A.augment(pixels, EVERYTHING)
    torch.manual_seed(3)
    assert torch.equal(x, A.augment(pixels, EVERYTHING))
    assert not torch.equal(x, A.augment(pixels, EVERYTHING))
    assert x.shape == pixels.shape and x.dtype == torch.float32 and torch.isfinite(x).all()
    assert x.min() >= -1 - 1e-5 and x.max() <= 1 + 1e-5
    assert torch.equal(pixels, images(64, *size))  # the input is left alone


def test_nothing_waits_for_the_device():
    """A tensor without data stands for the GPU: whatever asks for a value of it raises."""
    x = A.augment(torch.empty(64, 3, 28, 24, dtype=torch.uint8, device="meta"), EVERYTHING)
    assert x.shape == (64, 3, 28, 24) and x.device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError)):
        x.nonzero()


@pytest.mark.parametrize("name", ["zoom_crop", "crop_in_place", "low_resolution", "photometric"])
def test_changes_its_share_of_the_images_each_by_draws_of_its_own(name):
    """Of copies of one image 0.3 are changed (fewer where a draw leaves it as it is), and no two of these alike."""
    pixels = images(1, 16, 14).expand(1000, 3, 16, 14)
    torch.manual_seed(1)
    x = A.augment(pixels, settings(**{name: 0.3}))
    plain = pixels.float() / 127.5 - 1
    changed = x[((x - plain).flatten(1).abs().amax(1) > 1e-5) & ((x - plain.flip(3)).flatten(1).abs().amax(1) > 1e-5)]
    assert 250 < len(changed) < 345
    kinds = len((changed * 1e4).round().unique(dim=0))
    assert kinds > {"zoom_crop": 15, "crop_in_place": 200, "low_resolution": 150, "photometric": 240}[name]


# --- boxes


@pytest.mark.parametrize(("size", "scale"), [((28, 28), (0.9, 1.0)), ((28, 24), (0.2, 1.0)), ((24, 40), (0.5, 1.0))])
def test_crop_boxes_are_distributed_as_torchvisions(size, scale):
    torch.manual_seed(1)
    ours, theirs = A.crop_boxes(DRAWS, size, scale), torchvision_crops(DRAWS, size, scale)
    assert min(box_p_values(ours, theirs)) > RARE
    assert (ours >= 0).all() and (ours[0] + ours[2] <= size[0]).all() and (ours[1] + ours[3] <= size[1]).all()


@pytest.mark.parametrize(("size", "scale"), [((28, 24), (0.02, 0.1)), ((28, 28), (0.02, 0.33)), ((12, 30), (0.6, 1.0))])
def test_erasing_boxes_are_distributed_as_torchvisions(size, scale):
    torch.manual_seed(2)
    ours, theirs = A.erasing_boxes(DRAWS, size, scale), torchvision_erasings(DRAWS, size, scale)
    assert min(box_p_values(ours, theirs)) > RARE


@pytest.mark.parametrize("wrong", ["sides cut", "place rounded", "ratio shifted"])
def test_a_wrong_distribution_of_boxes_is_noticed(wrong, monkeypatch):
    """What the tests above would say of boxes drawn almost, but not quite, like torchvision's."""
    size, scale = (28, 24), (0.9, 1.0)
    torch.manual_seed(1)
    theirs = torchvision_crops(DRAWS, size, scale)
    if wrong == "sides cut":  # the whole pixels of a continuous box
        monkeypatch.setattr(torch.Tensor, "round", torch.Tensor.floor)
    if wrong == "ratio shifted":
        monkeypatch.setattr(A, "CROP_RATIO", (0.8, 1.4))
    ours = A.crop_boxes(DRAWS, size, scale)
    if wrong == "place rounded":  # the nearest pixel to a continuous place: first and last get half of their share
        ours[0] = (torch.rand(DRAWS) * (size[0] - ours[2])).round().long()
    assert min(box_p_values(ours, theirs)) < 1e-6


@pytest.mark.parametrize("size", [(40, 16), (16, 40), (32, 32), (112, 96)])
def test_the_box_where_none_fits_is_torchvisions(size, monkeypatch):
    monkeypatch.setattr(A, "random_sides", lambda n, *_: (torch.full((n, 10), 1000),) * 2)
    found = A.crop_boxes(3, size, (0.9, 1.0))
    expected = RandomResizedCrop.get_params(torch.zeros(3, *size), (9.0, 10.0), (3 / 4, 4 / 3))  # of 9 … 10 images
    assert found.T.tolist() == [list(expected)] * 3
    assert A.erasing_boxes(3, size, (0.9, 1.0))[2:].eq(0).all()


# --- pixels, the draws given


@pytest.mark.parametrize("size", [(112, 112), (112, 96)])
def test_crop_is_torchvisions(size):
    x = images(8, *size).float() / 255
    boxes = torch.cat([A.crop_boxes(7, size, (0.2, 1.0)), torch.tensor([[3], [5], [1], [2]])], 1)
    found = A.crop_and_resize(x, boxes)
    for i, box in enumerate(boxes.T.tolist()):
        assert (V.resized_crop(x[i], *box, list(size), antialias=True) - found[i]).abs().max() < 1e-4


@pytest.mark.parametrize("size", [(24, 18), (112, 96)])
def test_zoom_crop_is_a_window_of_the_enlarged_image_and_every_window_is_as_likely(size):
    """112 × 96 is SynFace's: Resize(112), then RandomCrop; the enlarged image is 130 × 112."""
    height, width = size
    x = images(1, height, width).float() / 255
    n = 2000 if height == 24 else 12
    found = A.zoom_crop(x.expand(n, 3, *size))
    large = V.resize(x[0], [width * 7 // 6], antialias=True)
    assert large.shape[1:] == (height * 7 // 6, width * 7 // 6)
    windows = large.unfold(1, height, 1).unfold(2, width, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    distance = torch.cdist(found.flatten(1), windows.flatten(1))
    nearest = distance.argmin(1)
    assert (found - windows[nearest]).abs().max() < 1e-4
    if n == 2000:
        assert chisquare(torch.bincount(nearest, minlength=len(windows)).numpy()).pvalue > RARE


def test_crop_in_place_keeps_the_box_and_blackens_the_rest():
    x = images(DRAWS // 2, 28, 24).float().add(1) / 256
    torch.manual_seed(2)
    found = A.crop_in_place(x)
    kept = found[:, 0] > 0
    rows, columns = kept.any(2), kept.any(1)
    boxes = torch.stack([rows.int().argmax(1), columns.int().argmax(1), rows.sum(1), columns.sum(1)])
    assert min(box_p_values(boxes, torchvision_crops(DRAWS // 2, (28, 24), (0.2, 1.0)))) > RARE
    for i in range(50):
        top, left, height, width = boxes[:, i].tolist()
        expected = torch.zeros_like(x[i])
        expected[:, top : top + height, left : left + width] = V.crop(x[i], top, left, height, width)
        assert torch.equal(found[i], expected)


def test_erasing_sets_a_full_rectangle_to_middle_grey_in_half_of_the_images():
    x = torch.ones(2000, 3, 28, 24, dtype=torch.uint8) * 255
    torch.manual_seed(0)
    out = A.augment(x, settings(erasing_scale=(0.05, 0.3)))
    assert set(out.unique().tolist()) == {0.0, 1.0} and torch.equal(out[:, 0], out[:, 1])
    gone = out[:, 0] == 0
    assert 0.46 < gone.flatten(1).any(1).float().mean() < 0.54
    assert torch.equal(gone, gone.any(2, keepdim=True) & gone.any(1, keepdim=True))
    rows, columns = gone.any(2), gone.any(1)
    boxes = torch.stack([rows.int().argmax(1), columns.int().argmax(1), rows.sum(1), columns.sum(1)])[:, rows.any(1)]
    assert min(box_p_values(boxes, torchvision_erasings(boxes.shape[1], (28, 24), (0.05, 0.3)))) > RARE


def test_what_is_erased_keeps_its_value_whatever_happens_to_colours():
    x = A.augment(images(200, 20, 20), settings(color_jitter=0.5, photometric=1.0, erasing_scale=(0.1, 0.1)))
    assert 0.03 < (x == 0).float().mean() < 0.07


# --- low resolution


@pytest.mark.parametrize("interpolation", R.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(112, 112), (112, 96), (32, 32), (20, 33)])
def test_kernels_are_opencvs_for_every_side(interpolation, size):
    height, width = size
    k = R.INTERPOLATIONS.index(interpolation)
    (down_rows, up_rows), (down_columns, up_columns) = (
        R.low_resolution_tables(side, height, width, torch.device("cpu")) for side in size
    )
    random = np.random.default_rng(0)
    image = (random.random((height, width)) * 255).astype(np.float32)
    for s in range(1, height + 1):
        small = (random.random((s, s)) * 255).astype(np.float32)
        down = down_rows[k, s].numpy() @ image @ down_columns[k, s].numpy().T
        up = up_rows[k, s, :, :s].numpy() @ small @ up_columns[k, s, :, :s].numpy().T
        assert not down[s:].any() and not down[:, s:].any()
        assert np.abs(down[:s, :s] - cv2.resize(image, (s, s), interpolation=CV2[interpolation])).max() < 1e-3
        assert np.abs(up - cv2.resize(small, (width, height), interpolation=CV2[interpolation])).max() < 1e-3


@pytest.mark.parametrize("size", [(112, 112), (112, 96), (9, 7)])
def test_low_resolution_is_adafaces(size):
    """Every pair of interpolations at random sides, cut to the range in between, against the per-image code."""
    height, width = size
    pixels = images(25, height, width)
    pixels[:, :, : height // 2] = (pixels[:, :, : height // 2] > 127) * 255  # contrast that overshoots
    side = torch.randint(max(1, height // 5), height, (25,))
    down, up = torch.arange(5).repeat(5), torch.arange(5).repeat_interleave(5)
    found = A.resize_and_back(pixels.float() / 255, side, down, up).permute(0, 2, 3, 1).numpy() * 255
    for i in range(25):
        s = int(side[i])
        first, second = (CV2[R.INTERPOLATIONS[k[i]]] for k in (down, up))
        image = pixels[i].permute(1, 2, 0).numpy()
        small = cv2.resize(image.astype(np.float32), (s, s), interpolation=first).clip(0, 255)
        expected = cv2.resize(small, (width, height), interpolation=second).clip(0, 255)
        assert np.abs(found[i] - expected).max() < 5e-3
        rounded = cv2.resize(cv2.resize(image, (s, s), interpolation=first), (width, height), interpolation=second)
        assert np.abs(found[i] - rounded).max() < 2.5  # what rounding to uint8 twice may do


def test_low_resolution_draws_as_adaface(monkeypatch):
    draws = []
    monkeypatch.setattr(A, "resize_and_back", lambda x, *drawn: draws.append(drawn))
    torch.manual_seed(0)
    A.lower_resolution(torch.zeros(DRAWS, 3, 30, 2))
    side, down, up = draws[0]
    random = np.random.default_rng(0)
    assert same_counts(side, torch.tensor([int(random.uniform(0.2, 1.0) * 30) for _ in range(DRAWS)])) > RARE
    assert chisquare(torch.bincount(5 * down + up, minlength=25).numpy()).pvalue > RARE  # independent of each other
    rounded = torch.tensor([round(random.uniform(0.2, 1.0) * 30) for _ in range(DRAWS)])
    assert same_counts(side, rounded) < 1e-6  # the test can tell


# --- colours


@pytest.mark.parametrize("amount", [0.1, 0.5])
def test_colours_are_torchvisions_in_each_images_own_order(amount):
    n = 48
    x = images(n, 20, 16).float() / 255
    x[:, :, 0, 0] = 0.5  # grey has any hue
    order = torch.stack([torch.randperm(4) for _ in range(n)])
    factor = torch.cat([A.uniform(1 - amount, 1 + amount, n, 3), A.uniform(-amount, amount, n, 1)], 1).float()
    found = C.change_colours(x, order, factor)
    changes = [V.adjust_brightness, V.adjust_contrast, V.adjust_saturation, V.adjust_hue]
    for i in range(n):
        expected = x[i]
        for which in order[i].tolist():
            expected = changes[which](expected, factor[i, which].item())
        assert (found[i] - expected).abs().max() < 4e-4  # four changes


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("value", [-0.3, 0.4])
def test_a_single_change_is_torchvisions(which, value):
    x = images(4, 20, 16).float() / 255
    changes = [V.adjust_brightness, V.adjust_contrast, V.adjust_saturation, V.adjust_hue]
    value = value + 1 if which != C.HUE else value
    factor = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(4, 1)
    factor[:, which] = value
    found = C.change_colours(x, torch.arange(4).repeat(4, 1), factor)
    assert (found - changes[which](x, value)).abs().max() < 1e-4
    assert (found - x).abs().max() > 0.05


@pytest.mark.parametrize(("amount", "hue"), [(0.1, 0.1), (0.5, 0.0)])
def test_colour_draws_are_colorjitters(amount, hue, monkeypatch):
    """CemiFace's jitter and AdaFace's: the order of the changes per image, the amounts, and their independence."""
    draws = []
    monkeypatch.setattr(C, "change_colours", lambda x, *drawn: draws.append(drawn))
    torch.manual_seed(0)
    n = DRAWS // 2
    C.jitter_colours(torch.zeros(n, 3, 2, 2), amount, hue)
    order, factor = draws[0]
    jitter = ColorJitter(amount, amount, amount, hue)
    theirs = [jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(n)]
    code = 4 ** torch.arange(4)
    expected = torch.stack([one[0] for one in theirs])
    assert len((order * code).sum(1).unique()) == math.factorial(4)
    assert same_counts((order * code).sum(1), (expected * code).sum(1)) > RARE
    for which in range(4 if hue else 3):
        assert ks_2samp(factor[:, which], [one[1 + which] for one in theirs]).pvalue > RARE
    assert hue or not factor[:, C.HUE].any()
    assert np.abs(np.corrcoef(torch.cat([factor[:, :3], order[:, :1]], 1).T) - np.eye(4)).max() < 0.08


def test_photometric_is_adafaces_amount(monkeypatch):
    drawn = []
    monkeypatch.setattr(A, "jitter_colours", lambda x, *given, **named: drawn.append((given, named)))
    A.photometric(torch.zeros(1, 3, 2, 2))
    assert drawn == [((0.5,), {"hue": 0.0})]


# --- order of the recipe


def test_the_order_is_that_of_adafaces_code():
    """Crop, low resolution, photometric, then flip: replayed one by one from the same seed."""
    recipe = settings(crop_in_place=0.5, low_resolution=0.5, photometric=0.5)
    pixels = images(40, 20, 20)
    torch.manual_seed(7)
    found = A.augment(pixels, recipe)
    torch.manual_seed(7)
    x = pixels.float() / 255
    for change in (A.crop_in_place, A.lower_resolution, A.photometric, lambda chosen: chosen.flip(3)):
        x = A.of_some(x, 0.5, change)
    assert torch.allclose(found, 2 * x - 1, atol=1e-6)

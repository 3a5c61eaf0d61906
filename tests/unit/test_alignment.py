"""The template, the transform against a published vector, the warp against torch, and the detector on real faces."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from semihard.errors import InputError
from semihard.sources.alignment import (
    ARCFACE_112,
    FaceAligner,
    arcface_template,
    center_crop,
    choose_face,
    read_photo,
    similarity_transform,
    warp,
)
from semihard.sources.benchmark_bin import read_bin
from semihard.sources.pairs import parse_pairs
from semihard.storage.pixels import decode_image

FACES = os.environ.get("SEMIHARD_FACES")
needs_faces = pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")


@pytest.fixture(scope="module")
def aligner() -> FaceAligner:
    return FaceAligner()


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def test_template_of_every_family():
    np.testing.assert_array_equal(arcface_template(112, 112), ARCFACE_112)
    np.testing.assert_allclose(arcface_template(224, 224), ARCFACE_112 * 2)
    np.testing.assert_allclose(arcface_template(128, 128)[0], [46.2946, 51.6963])
    np.testing.assert_allclose(arcface_template(256, 256)[2], [128.0504, 143.4732])
    np.testing.assert_allclose(arcface_template(112, 96)[4], [62.7299, 92.2041])


@pytest.mark.parametrize("size", [(96, 112), (0, 0), (100, 100), (112, 128), (-112, -112)])
def test_other_sizes_are_refused(size):
    with pytest.raises(InputError, match=rf"no ArcFace alignment template for {size[0]}x{size[1]} .*choose 112x112"):
        arcface_template(*size)


def test_transform_of_the_published_vector():
    landmarks = np.array([[30, 50], [70, 52], [48, 75], [33, 98], [66, 99]])
    expected = [[0.8647749, 0.02418135, 11.49751436], [-0.02418135, 0.8647749, 8.41017727]]
    np.testing.assert_allclose(similarity_transform(landmarks, ARCFACE_112), expected, atol=3e-6)


coordinate = st.floats(-300, 300, width=32)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=7, unique=True), st.integers(0, 1000))
def test_transform_is_the_least_squares_similarity(points, seed):
    landmarks = np.array(points)
    if np.ptp(landmarks, axis=0).max() < 1:
        return
    target = np.random.default_rng(seed).normal(0, 50, landmarks.shape)
    matrix = similarity_transform(landmarks, target)
    assert matrix[0, 0] == matrix[1, 1] and matrix[0, 1] == -matrix[1, 0]
    ones, zeros = np.ones(len(landmarks)), np.zeros(len(landmarks))
    x, y = landmarks.T
    design = np.concatenate([np.stack([x, -y, ones, zeros], 1), np.stack([y, x, zeros, ones], 1)])
    a, b, tx, ty = np.linalg.lstsq(design, target.T.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(matrix, [[a, -b, tx], [b, a, ty]], rtol=1e-5, atol=1e-4)


def test_transform_undoes_a_similarity_and_never_reflects():
    turned = apply(np.array([[0.6, -0.8, 5.0], [0.8, 0.6, -3.0]]) * 2, ARCFACE_112)
    np.testing.assert_allclose(apply(similarity_transform(turned, ARCFACE_112), turned), ARCFACE_112, atol=1e-9)
    mirrored = similarity_transform(ARCFACE_112 * [-1, 1], ARCFACE_112)
    assert np.linalg.det(mirrored[:, :2]) >= 0


@pytest.mark.parametrize("landmarks", [np.ones((5, 2)), np.full((5, 2), np.nan)])
def test_transform_of_a_single_point_is_refused(landmarks):
    with pytest.raises(ValueError, match="the landmarks are all one point"):
        similarity_transform(landmarks, ARCFACE_112)


@pytest.mark.parametrize("seed", range(8))
def test_warp_is_the_bilinear_interpolation_of_torch(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 60, 2)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    size = (17, 23)
    angle, scale, shift = rng.uniform(0, 6), rng.uniform(0.2, 3), rng.uniform(-20, 20, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    matrix = np.column_stack([turn, shift])
    rows, columns = np.indices(size)
    source = (np.stack([columns, rows], -1) - shift) @ np.linalg.inv(turn).T
    grid = (2 * source + 1) / [width, height] - 1
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(image).double().permute(2, 0, 1)[None],
        torch.from_numpy(grid)[None],
        padding_mode="zeros",
        align_corners=False,
    )[0].permute(1, 2, 0)
    np.testing.assert_allclose(warp(image, matrix, size), expected, atol=0.5 + 1e-6)


def test_warp_moves_whole_pixels_exactly_and_is_black_outside():
    image = np.random.default_rng(0).integers(1, 256, (5, 7, 3), np.uint8)
    moved = warp(image, np.array([[1.0, 0, 2], [0, 1, -1]]), (6, 8))
    expected = np.zeros((6, 8, 3), np.uint8)
    expected[:4, 2:] = image[1:, :6]
    np.testing.assert_array_equal(moved, expected)
    assert not warp(image, np.array([[1.0, 0, 1e6], [0, 1, 0]]), (6, 8)).any()


def test_center_crop_shows_the_central_half():
    image = np.full((250, 300, 3), 99, np.uint8)
    image[62:188, 87:213] = 200  # 125 pixels and the halves at both ends
    assert (center_crop(image, (112, 112)) == np.full((112, 112, 3), 200)).all()
    image[66:184, 91:209] = 99
    assert (center_crop(image, (112, 112))[[0, -1]] == 200).all()
    marked = np.zeros((100, 100, 3), np.uint8)
    marked[50:] = 255
    np.testing.assert_array_equal(center_crop(marked, (50, 50))[:, 0, 0], [0] * 25 + [255] * 25)


def test_choice_prefers_large_and_central_faces():
    small, large = [100, 100, 120, 120], [80, 80, 150, 150]
    assert choose_face(np.array([small, large], float), (250, 250)) == 1
    left, central = [0, 100, 50, 150], [100, 100, 150, 150]
    assert choose_face(np.array([left, central], float), (250, 250)) == 1
    wide_photo = np.array([[275, 100, 325, 150], [100, 0, 150, 50]], float)
    assert choose_face(wide_photo, (250, 600)) == 0


def test_photographs_are_turned_upright(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture must be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    photo = read_photo(tmp_path / "a.png")
    assert photo.shape == (30, 20, 3) and photo[:10].min() == 255 and photo[10:].max() == 0
    with pytest.raises(InputError, match=r"b\.png is no readable image"):
        read_photo(tmp_path / "b.png")


def test_photographs_without_faces_give_none_whatever_their_sizes(aligner):
    blank = [np.full((*size, 3), 128, np.uint8) for size in [(112, 112), (250, 200), (8, 8), (112, 112), (1, 40)]]
    assert aligner.align(blank) == [None] * 5
    assert aligner.align([]) == []


@needs_faces
def test_faces_of_real_photographs_are_found_among_blank_ones_in_order(aligner):
    path = next(Path(FACES).glob("lfw_originals/*/*.jpg"))
    photo = read_photo(path)
    blank = np.zeros_like(photo)
    alone = aligner.align([photo])[0]
    together = aligner.align([blank, photo, photo[:200], blank, photo])
    assert [crop is None for crop in together] == [True, False, False, True, False]
    for crop in (together[1], together[4]):
        assert np.abs(crop.astype(int) - alone).mean() < 1
    assert alone.shape == (112, 112, 3) and alone.dtype == np.uint8


@needs_faces
def test_real_photographs_align_to_the_template_and_to_the_published_crops(aligner):
    images, _, _ = parse_pairs(Path(FACES) / "benchmarks" / "lfw_pairs.txt")
    published = read_bin(Path(FACES) / "benchmarks" / "lfw.bin").faces
    position = {f"{name}_{number:04d}": index for index, (name, number) in enumerate(images)}
    paths = [path for path in sorted(Path(FACES).glob("lfw_originals/*/*.jpg")) if path.stem in position]
    crops = [crop for _, crop in aligner.align_files(paths)]
    assert len(crops) >= 15 and all(crop is not None for crop in crops)
    points = [found for found in aligner.detect(crops) if found is not None]
    assert len(points) == len(crops)
    assert np.median([np.abs(found - ARCFACE_112).mean() for found in points]) < 4
    references = [decode_image(published[position[path.stem]].image).astype(int) for path in paths]
    # Detectors differ by about a pixel. The same crops moved by 4 pixels differ by twice as much.
    differences = [np.abs(crop - reference).mean() for crop, reference in zip(crops, references, strict=True)]
    moved = [np.abs(np.roll(crop, 4, 1) - reference).mean() for crop, reference in zip(crops, references, strict=True)]
    assert np.median(differences) < 8 and np.median(moved) > 12

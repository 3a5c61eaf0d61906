"""A folder of images per identity, aligned or to be aligned."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semihard.alignment import FaceAligner, arcface_template
from semihard.errors import InputError
from semihard.pixels import decode_image, encode_image
from semihard.sources.folder import read_folder

FACES = os.environ.get("SEMIHARD_FACES")


class CornerDetector(FaceAligner):
    """Finds the template's points at the upper left corner of every photograph that is not black."""

    def __init__(self):
        self.size, self.template = (112, 112), arcface_template(112, 112)

    def detect(self, images):
        return [self.template if image.any() else None for image in images]


def save(path: Path, seed: int = 0, size: tuple[int, int] = (112, 112)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(1, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return pixels


def test_aligned_images_keep_their_bytes_in_lexicographic_order(tmp_path):
    for number, name in enumerate(["10/b.jpg", "2/a.png", "10/a.jpeg", "1/x.JPG"]):
        save(tmp_path / name, number)
    (tmp_path / "2" / "notes.txt").touch()
    (tmp_path / "2" / ".hidden.jpg").touch()
    (tmp_path / ".git").mkdir()
    faces = list(read_folder(tmp_path))
    assert [(face.identity, face.key) for face in faces] == [
        ("1", "1/x.JPG"),
        ("10", "10/a.jpeg"),
        ("10", "10/b.jpg"),
        ("2", "2/a.png"),
    ]
    assert [face.image for face in faces] == [(tmp_path / face.key).read_bytes() for face in faces]


def test_other_formats_come_as_pixels(tmp_path):
    pixels = save(tmp_path / "a" / "0.bmp")
    (face,) = read_folder(tmp_path)
    np.testing.assert_array_equal(face.image, pixels)


def test_photographs_are_aligned_and_those_without_a_face_listed(tmp_path):
    first, second = save(tmp_path / "a" / "0.png", 1, (130, 150)), save(tmp_path / "b" / "1.png", 2, (112, 112))
    Image.new("RGB", (120, 120)).save(tmp_path / "a" / "1.png")
    (tmp_path / "c").mkdir()
    skipped = []
    faces = list(read_folder(tmp_path, CornerDetector(), skipped))
    assert [(face.identity, face.key) for face in faces] == [("a", "a/0.png"), ("b", "b/1.png")]
    np.testing.assert_array_equal(faces[0].image, first[:112, :112])
    np.testing.assert_array_equal(faces[1].image, second)
    assert skipped == [
        ("c/", "no image in this folder"),
        ("a/1.png", "no face that fills a quarter of the photograph's shorter side"),
    ]


def test_memory_holds_one_batch_of_photographs(tmp_path, monkeypatch):
    for number in range(6):
        save(tmp_path / "a" / f"{number}.png", number)
    sizes = []

    class Counting(CornerDetector):
        def detect(self, images):
            sizes.append(len(images))
            return super().detect(images)

    monkeypatch.setattr("semihard.alignment.PIXELS_PER_BATCH", 2 * 112 * 112)
    assert [face.key for face in read_folder(tmp_path, Counting())] == [f"a/{number}.png" for number in range(6)]
    assert max(sizes) == 2


def test_refuses_images_of_several_sizes_unless_they_are_aligned(tmp_path):
    save(tmp_path / "a" / "0.png")
    save(tmp_path / "b" / "0.png", size=(112, 96))
    with pytest.raises(InputError, match=r"b/0\.png has 112x96 pixels .*a/0\.png has 112x112: .* set align: mtcnn"):
        list(read_folder(tmp_path))
    assert len(list(read_folder(tmp_path, CornerDetector()))) == 2


@pytest.mark.parametrize("aligner", [None, CornerDetector()])
@pytest.mark.parametrize("content", [b"", b"no image", encode_image(np.ones((9, 9, 3), np.uint8), "jpeg")[:-99]])
def test_an_unreadable_image_is_named(tmp_path, aligner, content):
    save(tmp_path / "a" / "0.jpg")
    (tmp_path / "a" / "1.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"a/1\.jpg is no readable image .*: replace or remove it"):
        list(read_folder(tmp_path, aligner))


def test_refuses_folders_without_identities_or_images_at_once(tmp_path):
    with pytest.raises(InputError, match=r"absent is no folder: give the folder that holds one folder of images per"):
        read_folder(tmp_path / "absent")
    (tmp_path / "0.jpg").touch()
    with pytest.raises(InputError, match=r"holds no identity folders"):
        read_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=r"no image in its 1 folders: expected root/<identity>/<image>\.jpg"):
        read_folder(tmp_path)


@pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")
def test_a_real_folder():
    faces = list(read_folder(Path(FACES) / "celebrities24"))
    assert (len(faces), len({face.identity for face in faces})) == (3_268, 24)
    assert decode_image(faces[0].image).shape == (112, 112, 3)

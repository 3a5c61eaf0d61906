"""A folder of images per identity, aligned or to be aligned."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semihard.errors import InputError
from semihard.sources.alignment import FaceAligner, arcface_template, read_photo
from semihard.sources.folder import UNREAD, read_folder
from semihard.sources.importing import import_faces
from semihard.sources.settings import FolderFaces
from semihard.storage.faceset import FaceSet
from semihard.storage.pixels import decode_image, encode_image
from semihard.storage.provenance import Provenance

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

    monkeypatch.setattr("semihard.sources.alignment.PIXELS_PER_BATCH", 2 * 112 * 112)
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


def save_grid(path: Path, faces: np.ndarray, tiles: int) -> None:
    """As torchvision's make_grid lays faces out: row by row, the last row filled up with black."""
    side = faces.shape[1]
    grid = np.zeros((-(-len(faces) // tiles) * side, tiles * side, 3), np.uint8)
    for number, face in enumerate(faces):
        row, column = divmod(number, tiles)
        grid[row * side : (row + 1) * side, column * side : (column + 1) * side] = face
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(path)


def some_faces(count: int, side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (count, side, side, 3), np.uint8)


@pytest.mark.parametrize(("tiles", "count"), [(4, 16), (4, 50), (5, 50), (2, 3), (3, 1)])
def test_grids_are_cut_row_by_row_and_their_black_fill_is_left_out(tmp_path, tiles, count):
    faces = {name: some_faces(count, seed=seed) for seed, name in enumerate(["0", "1", "10"])}
    for name, images in faces.items():
        save_grid(tmp_path / f"{name}.png", images, tiles)
    found = list(read_folder(tmp_path, tiles=tiles))
    assert [(face.identity, face.key) for face in found] == [
        (name, f"{name}.png#{number}") for name in faces for number in range(count)
    ]
    np.testing.assert_array_equal([face.image for face in found], np.concatenate(list(faces.values())))


def test_grids_lie_in_the_folder_in_identity_folders_or_in_both(tmp_path):
    for name in ("b.png", "c/1.png", "c/0.png", "a/x.PNG"):
        save_grid(tmp_path / name, some_faces(4), 2)
    (tmp_path / "c" / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    skipped = []
    found = list(read_folder(tmp_path, None, skipped, tiles=2))
    assert [(face.identity, face.key) for face in found[::4]] == [
        ("b", "b.png#0"),
        ("a", "a/x.PNG#0"),
        ("c", "c/0.png#0"),
        ("c", "c/1.png#0"),
    ]
    assert skipped == [("c/notes.txt", UNREAD), ("empty/", "no image in this folder")]


def test_each_face_of_a_grid_is_aligned(tmp_path):
    class LowerDetector(CornerDetector):
        def detect(self, images):
            return [None if image[0, 0, 0] == 7 else self.template + np.array([0, 16]) for image in images]

    faces = some_faces(3, 128)
    faces[:, 0, 0, 0] = 1, 7, 1
    save_grid(tmp_path / "5.png", faces, 2)
    skipped = []
    found = list(read_folder(tmp_path, LowerDetector(), skipped, tiles=2))
    assert [face.key for face in found] == ["5.png#0", "5.png#2"]
    np.testing.assert_array_equal([face.image for face in found], faces[[0, 2], 16:, :112])
    assert skipped == [("5.png#1", "no face that fills a quarter of the photograph's shorter side")]


@pytest.mark.parametrize(("height", "width"), [(16, 18), (18, 16), (16, 10), (4, 3)])
def test_refuses_what_is_no_grid(tmp_path, height, width):
    save(tmp_path / "0.png", size=(height, width))
    with pytest.raises(InputError, match=rf"0\.png has {height}x{width} pixels .* no grid of square faces, 4 in a row"):
        list(read_folder(tmp_path, tiles=4))


def test_refuses_grids_of_several_sizes_unless_they_are_aligned_and_unreadable_ones(tmp_path):
    save_grid(tmp_path / "0.png", some_faces(4, 112), 2)
    save_grid(tmp_path / "1.png", some_faces(4, 128), 2)
    with pytest.raises(InputError, match=r"1\.png has faces of 128x128 pixels but .*0\.png of 112x112.*align: mtcnn"):
        list(read_folder(tmp_path, tiles=2))
    assert len(list(read_folder(tmp_path, CornerDetector(), tiles=2))) == 8
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"1\.png is no readable image"):
        list(read_folder(tmp_path, tiles=2))


def test_refuses_a_folder_without_grids_at_once(tmp_path):
    with pytest.raises(InputError, match=r"no identity folders: .* per identity or grids with 4 faces in a row"):
        read_folder(tmp_path, tiles=4)


@pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")
def test_a_real_folder():
    faces = list(read_folder(Path(FACES) / "celebrities24"))
    assert (len(faces), len({face.identity for face in faces})) == (3_268, 24)
    assert decode_image(faces[0].image).shape == (112, 112, 3)


def test_a_file_that_is_not_read_is_counted(tmp_path):
    save_grid(tmp_path / "a" / "0.png", some_faces(1), 1)
    (tmp_path / "a" / "1.HEIC").write_bytes(b"ftypheic")
    (tmp_path / "a" / ".DS_Store").touch()
    skipped = []
    assert len(list(read_folder(tmp_path, None, skipped))) == 1
    assert skipped == [("a/1.HEIC", UNREAD)]


def test_a_photograph_lying_on_its_side_is_turned_and_formats_may_be_mixed(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:4] = 250  # bright above
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: the camera lay on its left
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "a" / "0.jpg", quality=95, exif=exif)
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    Image.fromarray(pixels).save(tmp_path / "a" / "2.bmp")
    import_faces(FolderFaces(source="folder", path=str(tmp_path)), tmp_path / "f.h5", Provenance())
    images = FaceSet(tmp_path / "f.h5").images(range(3)).astype(int)
    assert all(np.abs(image - pixels).mean() < 3 for image in images)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("kind", ["link", "loop", "folder", "pipe"])
def test_what_is_named_like_an_image_and_is_no_file_is_told(tmp_path, kind, align):
    path = tmp_path / "anna" / "0.jpg"
    path.parent.mkdir()
    match kind:
        case "link":
            path.symlink_to("nowhere.jpg")
        case "loop":
            path.symlink_to(path)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    said = "a link to nothing" if path.is_symlink() else "not a file"
    with pytest.raises(InputError, match=rf"anna/0.jpg is no readable image \({said}\): replace or remove it"):
        read_photo(path) if align else list(read_folder(tmp_path))

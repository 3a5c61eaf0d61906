"""Alignment to ArcFace's five points: the template, the similarity transform, the warp, and a detector to feed them.

Points are (x right, y down) in pixels, pixel centers at whole numbers, in the order image-left eye, image-right eye,
nose, image-left and image-right corner of the mouth.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from semihard.errors import InputError
from semihard.storage.pixels import to_rgb

# ArcFace (Deng et al. 2019), the five points of a 112x112 crop as InsightFace publishes them.
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
MARGIN = np.array([8, 0])  # columns by which a 128 crop is wider than 112 on either side, and 112 than 96
PIXELS_PER_BATCH = 4_000_000  # photographs that go through the detector together: about 64 at 250x250, one at 12 MP


def arcface_template(height: int, width: int) -> np.ndarray:
    """Where the five points belong in a crop of `height` x `width` pixels: float64 `[5, 2]`.

    112k x 112k: the template times k. 128k x 128k: the same face scaled by k, centered in the wider crop (x + 8k).
    112 high x 96 wide: the square crop without 8 columns on either side (SphereFace). Raises InputError otherwise.
    """
    if (height, width) == (112, 96):
        return ARCFACE_112 - MARGIN
    if height == width and height > 0 and height % 112 == 0:
        return ARCFACE_112 * (height // 112)
    if height == width and height > 0 and height % 128 == 0:
        return (ARCFACE_112 + MARGIN) * (height // 128)
    raise InputError(
        f"no ArcFace alignment template for {height}x{width} pixels (height x width): "
        "choose 112x112, a square multiple of 112 or of 128, or 112x96"
    )


def similarity_transform(landmarks: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The least-squares similarity without reflection that takes landmarks to the template.

    landmarks, template: float `[n, 2]`. Returns float64 `[2, 3]`, M with template ~ M @ [x, y, 1]. With points as
    complex numbers a similarity is w = a z + b, and this is its linear regression; for points that are no mirror
    image of each other it equals Umeyama (1991). Raises ValueError where all landmarks coincide.
    """
    z, w = (np.asarray(points, float) @ [1, 1j] for points in (landmarks, template))
    centered = z - z.mean()
    spread = np.vdot(centered, centered).real
    if not spread > 0:
        raise ValueError("no similarity transform: the landmarks are all one point, or not numbers")
    a = np.vdot(centered, w) / spread
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Exact bilinear warp, black outside the image: output pixel p shows the image at inverse(matrix) p.

    image: uint8 RGB `[h, w, 3]`; matrix: float `[2, 3]`, image to output; size: (height, width) of the output.
    Returns uint8 RGB `[height, width, 3]`, rounded to the nearest grey level. No antialiasing, as the field does it.
    """
    height, width = image.shape[:2]
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    rows, columns = np.indices(size)
    x = inverse[0, 0] * columns + inverse[0, 1] * rows + inverse[0, 2]
    y = inverse[1, 0] * columns + inverse[1, 1] * rows + inverse[1, 2]
    x, y = np.clip(x, -1, width), np.clip(y, -1, height)  # a black border of one pixel ends every sum
    left, top = np.minimum(np.floor(x), width - 1).astype(int), np.minimum(np.floor(y), height - 1).astype(int)
    right_share, lower_share = (x - left)[..., None], (y - top)[..., None]
    bordered = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    left, top = left + 1, top + 1
    upper = bordered[top, left] * (1 - right_share) + bordered[top, left + 1] * right_share
    lower = bordered[top + 1, left] * (1 - right_share) + bordered[top + 1, left + 1] * right_share
    return np.rint(upper * (1 - lower_share) + lower * lower_share).astype(np.uint8)


def center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The central half of the image's shorter side, scaled to `size` (height, width): LFW's faces without a detector.

    image: uint8 RGB `[h, w, 3]`; returns uint8 RGB `[height, width, 3]`.
    """
    scale = max(size) / (min(image.shape[:2]) / 2)
    center, target = (np.array([shape[1] - 1, shape[0] - 1]) / 2 for shape in (image.shape, size))
    return warp(image, np.column_stack([np.eye(2) * scale, target - scale * center]), size)


def choose_face(boxes: np.ndarray, size: tuple[int, int]) -> int:
    """The index of the face the photograph is of, large and central: greatest `area - 2 |offset|^2` (FaceNet's rule).

    boxes: float `[n, 4]` as x1, y1, x2, y2 in pixels; size: (height, width) of the photograph; offset: from the
    photograph's center to the box's.
    """
    extent = boxes[:, 2:] - boxes[:, :2]
    offset = (boxes[:, 2:] + boxes[:, :2]) / 2 - np.array(size[::-1]) / 2
    return int(np.argmax(extent.prod(1) - 2 * (offset**2).sum(1)))


def read_image_file(path: Path) -> bytes:
    """The bytes of an image file. Raises InputError where it is a folder, a pipe, a link to nothing, or may not be read."""
    if not path.is_file():
        kind = "a link to nothing" if path.is_symlink() else "not a file"
        raise InputError(f"{path} is no readable image ({kind}): replace or remove it")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} is no readable image ({error.strerror}): replace or remove it") from None


def read_photo(path: Path) -> np.ndarray:
    """A photograph as uint8 RGB `[h, w, 3]`, upright by its EXIF orientation. Raises InputError if unreadable."""
    blob = read_image_file(path)
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return to_rgb(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is no readable image ({error}): replace or remove it") from None


class FaceAligner:
    """Photographs to aligned faces: MTCNN (Zhang et al. 2016) finds five points, the warp puts them on the template.

    size: (height, width) of the crops, one that `arcface_template` knows; device: where the detector runs.
    A face counts if it measures a quarter of the photograph's shorter side or more; of several, `choose_face` decides.
    """

    def __init__(self, size: tuple[int, int] = (112, 112), device: str = "cpu"):
        from facenet_pytorch import MTCNN  # costs torch and torchvision, which only this detector needs

        self.size = size
        self.template = arcface_template(*size)
        # keep_all: with a single face per image, facenet-pytorch fails on a batch in which one image has none.
        self.detector = MTCNN(keep_all=True, device=device)

    def detect(self, images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """The five points of each photograph's face: float64 `[5, 2]`, or None where there is no face.

        images: uint8 RGB `[h, w, 3]`, of any sizes; those of one size are detected together.
        """
        landmarks: list[np.ndarray | None] = [None] * len(images)
        of_shape: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            of_shape.setdefault(image.shape[:2], []).append(index)
        for shape, indices in of_shape.items():
            at_once = max(1, PIXELS_PER_BATCH // (shape[0] * shape[1]))
            self.detector.min_face_size = min(shape) / 4
            for start in range(0, len(indices), at_once):
                batch = indices[start : start + at_once]
                stack = np.stack([images[index] for index in batch])
                for index, boxes, _, points in zip(batch, *self.detector.detect(stack, landmarks=True), strict=True):
                    if boxes is not None:
                        landmarks[index] = points[choose_face(boxes.astype(float), shape)].astype(float)
        return landmarks

    def align(self, images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Aligned crops, uint8 RGB `[height, width, 3]` (112x112 unless told otherwise), None where there is no face.

        images: uint8 RGB `[h, w, 3]`, of any sizes.
        """
        return [
            None if points is None else warp(image, similarity_transform(points, self.template), self.size)
            for image, points in zip(images, self.detect(images), strict=True)
        ]

    def align_files(self, paths: Iterable[Path]) -> Iterator[tuple[Path, np.ndarray | None]]:
        """(path, aligned crop or None) of each photograph, in order; memory holds one batch of photographs.

        Raises InputError naming a file that is no readable image.
        """
        waiting: list[tuple[Path, np.ndarray]] = []
        for path in paths:
            waiting.append((path, read_photo(path)))
            if sum(photo.size // 3 for _, photo in waiting) >= PIXELS_PER_BATCH:
                yield from self._align_waiting(waiting)
                waiting = []
        yield from self._align_waiting(waiting)

    def _align_waiting(self, waiting: list[tuple[Path, np.ndarray]]) -> Iterator[tuple[Path, np.ndarray | None]]:
        crops = self.align([photo for _, photo in waiting])
        return zip((path for path, _ in waiting), crops, strict=True)

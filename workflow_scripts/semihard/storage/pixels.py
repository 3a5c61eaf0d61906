"""Encoded images ↔ uint8 RGB arrays."""

import io

import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

PIXELS_AT_MOST = 100_000_000  # of an image; a 20,000 × 20,000 JPEG would take minutes and a gigabyte
ORIENTATION = 0x0112  # EXIF's tag
JPEG_QUALITY = 95  # 4:4:4; PSNR 47 dB on faces that have been JPEG before, half the bytes of PNG


def decode_image(blob: bytes) -> np.ndarray:
    """Decode JPEG, PNG or any other still image Pillow reads to uint8 RGB `[h, w, 3]`, as it is stored: not turned.

    Raises ValueError where the bytes are no image, are cut short or have more than `PIXELS_AT_MOST`.
    """
    if blob[:2] == b"\xff\xd8":
        height, width = simplejpeg.decode_jpeg_header(blob)[:2]
        _check_size(height, width)
        return simplejpeg.decode_jpeg(blob, colorspace="RGB")
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return to_rgb(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(_reason(error)) from None


def to_rgb(image: Image.Image) -> np.ndarray:
    """A Pillow image as uint8 RGB `[h, w, 3]`; of 16 bits a pixel, the upper eight. Raises ValueError where it is too large."""
    _check_size(image.height, image.width)
    if image.mode.startswith("I"):  # Pillow's own conversion clips 16-bit greys to white
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, 2)
    return np.asarray(image.convert("RGB"))


def upright(blob: bytes) -> np.ndarray | None:
    """The pixels turned as the EXIF orientation says, None where the stored ones are upright already."""
    with Image.open(io.BytesIO(blob)) as image:
        if image.getexif().get(ORIENTATION, 1) == 1:
            return None
        return to_rgb(ImageOps.exif_transpose(image))


def _check_size(height: int, width: int) -> None:
    if height * width > PIXELS_AT_MOST:
        raise ValueError(f"{height}x{width} pixels (height x width) are more than {PIXELS_AT_MOST // 10**6} million")


def encode_image(image: np.ndarray, codec: str) -> bytes:
    """Encode uint8 RGB `[h, w, 3]` as "jpeg" (quality 95, 4:4:4), "png" or "raw"."""
    image = np.ascontiguousarray(image)
    if codec == "jpeg":
        return simplejpeg.encode_jpeg(image, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="444")
    if codec == "png":
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "png", compress_level=3)
        return buffer.getvalue()
    return image.tobytes()


def image_size_of(blob: bytes) -> tuple[int, int]:
    """(height, width) in pixels from the header alone. Raises ValueError where the bytes are no image."""
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return image.height, image.width
    except (OSError, SyntaxError) as error:
        raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    unknown = isinstance(error, UnidentifiedImageError)  # its text is the address of a buffer
    return "not a readable image" if unknown else f"not a readable image: {error}"

"""Images as they are stored: depth, size, and what is none."""

import io

import numpy as np
import pytest
from PIL import Image

from semihard.storage import pixels
from semihard.storage.pixels import decode_image, encode_image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def test_of_sixteen_bits_the_upper_eight_are_kept():
    grey = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    decoded = decode_image(png(Image.fromarray(grey)))
    assert decoded.shape == (16, 16, 3) and np.array_equal(decoded[..., 0], (grey >> 8).astype(np.uint8))


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_what_is_too_large_is_refused_by_its_header(monkeypatch, codec):
    blob = encode_image(np.zeros((40, 30, 3), np.uint8), codec)
    monkeypatch.setattr(pixels, "PIXELS_AT_MOST", 1200)
    assert decode_image(blob).shape == (40, 30, 3)
    monkeypatch.setattr(pixels, "PIXELS_AT_MOST", 1199)
    with pytest.raises(ValueError, match="40x30 pixels"):
        decode_image(blob)


def test_a_header_that_promises_more_than_there_is_costs_nothing():
    blob = bytearray(encode_image(np.zeros((8, 8, 3), np.uint8), "jpeg"))
    at = blob.index(b"\xff\xc0")  # start of frame: height and width follow
    blob[at + 5 : at + 9] = b"\x4e\x20\x4e\x20"
    with pytest.raises(ValueError, match="20000x20000 pixels .* are more than 100 million"):
        decode_image(bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_a_value_error(blob):
    with pytest.raises(ValueError):
        decode_image(blob)

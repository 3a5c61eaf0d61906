"""InsightFace's .bin in every form its writers left it, and pickles that are up to something."""

import codecs
import logging
import lzma
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

from semihard.errors import InputError
from semihard.sources.benchmark_bin import read_bin, write_bin
from semihard.storage.pixels import encode_image

FACES = os.environ.get("SEMIHARD_FACES")
needs_faces = pytest.mark.skipif(not FACES, reason="SEMIHARD_FACES names no folder of real faces")
PAIRS = 20
SAME = [index % 3 == 0 for index in range(PAIRS)]


def picture(seed: int, codec: str = "png") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 200, (8, 8, 3), np.uint8)
    return encode_image(pixels + np.array([40, 20, 0], np.uint8), codec)


IMAGES = [picture(seed, "jpeg" if seed % 2 else "png") for seed in range(2 * PAIRS)]


def python2_pickle(images: list[bytes], same: list[bool]) -> bytes:
    """What cPickle of Python 2 writes with protocol 2, as pickletools shows of the official files."""
    strings = b"".join(pickle.BINSTRING + len(image).to_bytes(4, "little") + image for image in images)
    flags = b"".join(pickle.NEWTRUE if flag else pickle.NEWFALSE for flag in same)
    return b"\x80\x02](" + strings + b"e](" + flags + b"e\x86."


def python2_text_pickle(images: list[bytes], same: list[bool]) -> bytes:
    """Protocol 0 of Python 2: strings as escaped literals."""
    strings = b"".join(b"S" + repr(image)[1:].encode() + b"\na" for image in images)
    flags = b"".join(b"I01\na" if flag else b"I00\na" for flag in same)
    return b"((l" + strings + b"(l" + flags + b"t."


def old_numpy(content: object) -> bytes:
    """Protocol 2 names modules in plain text, so those of numpy before 2 can be put in."""
    return pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")


def arrays(images: list[bytes]) -> list[np.ndarray]:
    """What cv2.imencode returns."""
    return [np.frombuffer(image, np.uint8).copy().reshape(-1, 1) for image in images]


VARIANTS = {
    "Python 2": python2_pickle(IMAGES, SAME),
    "Python 2, protocol 0": python2_text_pickle(IMAGES, SAME),
    "Python 3, protocol 4": pickle.dumps((IMAGES, SAME), protocol=4),
    "Python 3, protocol 5, lists": pickle.dumps([IMAGES, SAME], protocol=5),
    "Python 3, protocol 2": pickle.dumps((IMAGES, SAME), protocol=2),
    "Python 3, protocol 0": pickle.dumps((IMAGES, SAME), protocol=0),
    "arrays, numpy 1": old_numpy((arrays(IMAGES), SAME)),
    "arrays, numpy 2": pickle.dumps((arrays(IMAGES), SAME), protocol=3),
    "arrays, protocol 5": pickle.dumps((arrays(IMAGES), SAME), protocol=5),
    "read-only arrays, protocol 5": pickle.dumps(([np.frombuffer(i, np.uint8) for i in IMAGES], SAME), protocol=5),
    "numpy 1's bools": old_numpy((IMAGES, list(np.array(SAME)))),
    "numpy 2's bools": pickle.dumps((IMAGES, list(np.array(SAME)))),
    "an array of bools": pickle.dumps((IMAGES, np.array(SAME)), protocol=4),
    "ones and zeros": pickle.dumps((IMAGES, [int(flag) for flag in SAME])),
    "xz": lzma.compress(pickle.dumps((arrays(IMAGES), SAME))),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_reads_the_same(tmp_path, variant):
    path = tmp_path / "lfw.bin"
    path.write_bytes(VARIANTS[variant])
    benchmark = read_bin(path)
    assert [face.image for face in benchmark.faces] == IMAGES
    assert {face.identity for face in benchmark.faces} == {""}
    assert [face.key for face in benchmark.faces] == [str(index) for index in range(2 * PAIRS)]
    assert benchmark.first.tolist() == list(range(0, 2 * PAIRS, 2))
    assert benchmark.second.tolist() == list(range(1, 2 * PAIRS, 2))
    assert benchmark.same.tolist() == SAME
    assert benchmark.fold.tolist() == [fold for fold in range(10) for _ in range(2)]
    assert (benchmark.first.dtype, benchmark.same.dtype, benchmark.fold.dtype) == (np.int64, bool, np.int32)


def test_what_is_written_loads_as_plain_pickle_and_here(tmp_path):
    write_bin(tmp_path / "a.bin", IMAGES, np.array(SAME))
    content = (tmp_path / "a.bin").read_bytes()
    assert content[:2] == b"\x80\x04"
    images, same = pickle.loads(content)
    assert (images, same) == (IMAGES, SAME) and {type(flag) for flag in same} == {bool}
    assert [face.image for face in read_bin(tmp_path / "a.bin").faces] == IMAGES
    assert list(tmp_path.iterdir()) == [tmp_path / "a.bin"]


class Calls:
    """Pickles to a call of `function`, whose result is given `state`."""

    def __init__(self, function: object, *arguments: object, state: object = None):
        self.call = function, arguments, state

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {marker}",)),
        (eval, ("open('{marker}', 'w')",)),
        (subprocess.Popen, (["touch", "{marker}"],)),
        (open, ("{marker}", "w")),
        (np.save, ("{marker}", 0)),
        (getattr, ("{marker}", "join")),
        (codecs.decode, (b"", "zip")),
    ],
)
def test_a_hostile_pickle_is_refused_and_nothing_is_run(tmp_path, protocol, function, arguments):
    marker = tmp_path / "ran"

    def fill(argument: object) -> object:
        if isinstance(argument, list):
            return [fill(item) for item in argument]
        return argument.format(marker=marker) if isinstance(argument, str) else argument

    path = tmp_path / "lfw.bin"
    for content in (Calls(function, *map(fill, arguments)), (IMAGES, [Calls(function, *map(fill, arguments))])):
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        with pytest.raises(
            InputError, match=r"lfw.bin is not read as a benchmark: it asks for \S+, which no benchmark"
        ):
            read_bin(path)
    assert not marker.exists()


def test_a_dotted_name_reaches_nothing_through_an_allowed_one(tmp_path):
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(InputError, match=r"asks for numpy\.ndarray\.tofile"):
        read_bin(path)


def test_a_number_in_the_place_of_bytes_allocates_nothing(tmp_path):
    state = (1, (3,), np.dtype("u1"), False, 2**40)
    array = Calls(np.zeros(0).__reduce__()[0], np.ndarray, (0,), b"b", state=state)
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([array] * 2 * PAIRS, SAME)))
    with pytest.raises(InputError, match=r"image 0 \(pair 0\) is no byte string"):
        read_bin(tmp_path / "lfw.bin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((IMAGES[:-1], SAME), r"has 39 images for 20 pairs: expected 40, two a pair"),
        ((IMAGES, SAME[:-1]), r"has 40 images for 19 pairs: expected 38"),
        ((IMAGES[:18], SAME[:9]), r"has 9 pairs, which do not divide into 10 folds"),
        (([*IMAGES[:5], b"\xff\xd8 nothing", *IMAGES[6:]], SAME), r"image 5 \(pair 2\) is not readable"),
        (([*IMAGES[:7], IMAGES[7][:60], *IMAGES[8:]], SAME), r"image 7 \(pair 3\) is not readable"),
        (([*IMAGES[:3], 4, *IMAGES[4:]], SAME), r"image 3 \(pair 1\) is no byte string"),
        (([np.zeros(3)] * 2 * PAIRS, SAME), r"image 0 \(pair 0\) is no byte string or uint8 array"),
        ((IMAGES, ["yes"] * PAIRS), r"expected True or False for each pair"),
        ((IMAGES, [2] * PAIRS), r"expected True or False for each pair"),
        ((IMAGES, np.zeros(PAIRS)), r"expected True or False for each pair"),
        ((IMAGES, None), r"expected True or False for each pair"),
        (IMAGES, r"is no benchmark: expected a pickled pair"),
        ({"images": IMAGES}, r"is no benchmark: expected a pickled pair"),
    ],
)
def test_refuses_content_that_is_no_benchmark(tmp_path, content, message):
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=rf"lfw\.bin.*{message}"):
        read_bin(path)


def test_refuses_missing_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.bin does not exist: InsightFace"):
        read_bin(tmp_path / "gone.bin")
    whole = VARIANTS["Python 3, protocol 4"]
    for content in (b"", whole[:-100], b"<html>", VARIANTS["xz"][:-50]):
        (tmp_path / "lfw.bin").write_bytes(content)
        with pytest.raises(InputError, match=r"lfw\.bin is not read as a benchmark: .*get the file again"):
            read_bin(tmp_path / "lfw.bin")


def test_a_part_of_a_benchmark_has_its_own_folds_and_one_of_one_kind_is_told(tmp_path, caplog):
    """LFW's first two folds, 300 genuine and 300 impostor pairs each, are no ten folds of 120."""
    same = [True] * 5 + [False] * 5
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps((IMAGES, 2 * same)))
    with caplog.at_level(logging.WARNING):
        assert read_bin(tmp_path / "lfw.bin", 2).fold.tolist() == [0] * 10 + [1] * 10
    assert not caplog.messages
    with caplog.at_level(logging.WARNING):
        read_bin(tmp_path / "lfw.bin")
    assert "fold 0 has genuine pairs only (8 of 10 folds have one kind)" in caplog.text


def test_warns_of_swapped_colours(tmp_path, caplog):
    blue = encode_image(np.full((8, 8, 3), (90, 100, 140), np.uint8), "png")
    write_bin(tmp_path / "rgb.bin", IMAGES, [True, False] * 10)
    write_bin(tmp_path / "bgr.bin", [blue] * 2 * PAIRS, [True, False] * 10)
    with caplog.at_level(logging.WARNING):
        read_bin(tmp_path / "rgb.bin")
        assert caplog.messages == []
        read_bin(tmp_path / "bgr.bin")
    assert "bgr.bin: more blue than red" in caplog.text


@needs_faces
def test_the_official_lfw_pairs():
    benchmark = read_bin(Path(FACES) / "benchmarks" / "lfw.bin")
    assert (len(benchmark.faces), len(benchmark.same), benchmark.same.sum()) == (12_000, 6_000, 3_000)
    assert np.bincount(benchmark.fold).tolist() == [600] * 10
    assert [benchmark.same[benchmark.fold == fold].sum() for fold in range(10)] == [300] * 10


@pytest.mark.parametrize("images", [IMAGES[:-1], [*IMAGES, IMAGES[0]], []])
def test_two_images_a_pair_are_written(tmp_path, images):
    with pytest.raises(InputError, match=rf"{len(images)} images for {PAIRS} pairs: two of each pair"):
        write_bin(tmp_path / "a.bin", images, SAME)
    assert not list(tmp_path.iterdir())

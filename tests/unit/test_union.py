"""Face sets one after the other: bytes, names and shared columns are kept, and what does not fit is refused."""

import numpy as np
import pytest

from semihard.errors import InputError
from semihard.sources.union import unite_faces
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance


def write(path, names: list[str], columns: dict, size: int = 4, licence: str = "CC0", codec: str = "raw"):
    with FaceSetWriter(path, (size, size), codec, attrs={"licence": licence}) as writer:
        images = np.random.default_rng(len(names)).integers(0, 256, (len(names), size, size, 3), np.uint8)
        writer.add(images, names, {name: np.asarray(values) for name, values in columns.items()})
    return path


def test_images_names_and_shared_columns_follow_each_other(tmp_path):
    first = write(tmp_path / "a.h5", ["anna", "bert", ""], {"age": [1, 2, 3], "x": [0.0] * 3})
    second = write(tmp_path / "b.h5", ["", "bert"], {"age": [4, 5], "x": ["p", "q"]}, licence="MIT")
    unite_faces([first, second], tmp_path / "out.h5", Provenance(rule="unite_faces"))
    out, a, b = (FaceSet(tmp_path / name) for name in ("out.h5", "a.h5", "b.h5"))
    assert [[*out.identity_names, ""][i] for i in out.identity] == ["anna", "bert", "", "", "bert"]
    assert out.column_names == ["age"] and out.column("age").tolist() == [1, 2, 3, 4, 5]
    assert [out.encoded(i) for i in range(5)] == [*map(a.encoded, range(3)), *map(b.encoded, range(2))]
    assert out.attrs["licence"] == "CC0, MIT" and out.attrs["rule"] == "unite_faces"


def test_labels_of_mixed_identities_and_the_mark_of_copies_are_kept(tmp_path):
    mixed = {"partner": np.array([1, 0], np.int32), "phi": np.array([0.25, 0.5], np.float32)}
    paths = [
        write(tmp_path / "a.h5", ["carl", "carl"], {"inquiry_copy": np.array([0, 1], np.int8)}),
        write(tmp_path / "b.h5", ["anna", "bert"], mixed),
        write(tmp_path / "c.h5", ["bert"], {}),
    ]
    unite_faces(paths, tmp_path / "out.h5", Provenance())
    out = FaceSet(tmp_path / "out.h5")
    assert out.identity_names == ["carl", "anna", "bert"]
    names = np.array([*out.identity_names, ""], object)
    assert names[out.identity].tolist() == ["carl", "carl", "anna", "bert", "bert"]
    assert names[out.column("partner")].tolist() == ["", "", "bert", "anna", ""]
    assert out.column("phi").tolist() == [1, 1, 0.25, 0.5, 1]
    assert out.is_own().tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("other", [{"size": 5}, {"codec": "png"}])
def test_other_sizes_and_codecs_are_refused(tmp_path, other):
    paths = [write(tmp_path / "a.h5", ["anna"], {}), write(tmp_path / "b.h5", ["bert"], {}, **other)]
    with pytest.raises(InputError, match="only face sets of one size and codec can be united"):
        unite_faces(paths, tmp_path / "out.h5", Provenance())
    assert not (tmp_path / "out.h5").exists()

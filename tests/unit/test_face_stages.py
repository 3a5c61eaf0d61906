"""Stages that make face sets and benchmarks: import, subset, rendering, export."""

from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from semihard.errors import InputError
from semihard.sources.benchmark_bin import write_bin
from semihard.sources.importing import import_benchmark, import_faces
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.rendered.factors import FACTORS
from semihard.sources.rendered.morphable import draw_identities
from semihard.sources.rendering import render_benchmark, render_faces
from semihard.sources.settings import (
    BinBenchmark,
    FolderFaces,
    PairsBenchmark,
    RecordIOFaces,
    RenderedBenchmark,
    RenderedFaces,
    SubsetFaces,
)
from semihard.sources.subset import subset_faces
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance


def blobs(count: int, size: int = 8, codec: str = "png") -> list[bytes]:
    random = np.random.default_rng(count)
    return [encode_image(random.integers(0, 256, (size, size, 3)).astype(np.uint8), codec) for _ in range(count)]


def test_recordio_import_keeps_bytes_names_and_keys(tmp_path):
    images = blobs(5)
    with RecordIOWriter(tmp_path / "rec", (8, 8)) as writer:
        for image, name in zip(images, "aabbb", strict=True):
            writer.add(image, name)
    settings = RecordIOFaces(source="recordio", path=str(tmp_path / "rec"), licence="mine")
    import_faces(settings, tmp_path / "f.h5", Provenance("import_faces"))
    faces = FaceSet(tmp_path / "f.h5")
    assert [faces.encoded(i) for i in range(5)] == images
    assert [faces.identity_names[k] for k in faces.identity] == list("aabbb")
    assert faces.attrs["licence"] == "mine" and faces.attrs["rule"] == "import_faces" and faces.attrs["left_out"] == 0
    assert len(set(faces.column("source_key"))) == 5
    unlabelled = settings.model_copy(update={"labelled": False})
    import_faces(unlabelled, tmp_path / "u.h5", Provenance())
    assert (FaceSet(tmp_path / "u.h5").identity == -1).all()


def test_import_names_the_first_image_of_another_size(tmp_path):
    with RecordIOWriter(tmp_path / "rec", (8, 8)) as writer:
        for image in (*blobs(2), *blobs(1, size=9)):
            writer.add(image, "a")
    with pytest.raises(InputError, match=r"3 is \(9, 9\) pixels high and wide, the first image \(8, 8\)"):
        import_faces(RecordIOFaces(source="recordio", path=str(tmp_path / "rec")), tmp_path / "f.h5", Provenance())
    assert not (tmp_path / "f.h5").exists() and not list(tmp_path.glob(".*"))


def test_photographs_without_a_face_are_counted_and_listed(tmp_path, real_faces, caplog):
    from shutil import copy

    folder = tmp_path / "photos"
    for person in sorted((real_faces / "lfw_originals").iterdir())[:2]:
        (folder / person.name).mkdir(parents=True)
        copy(sorted(person.iterdir())[0], folder / person.name)
    noise = np.random.default_rng(0).integers(0, 256, (250, 250, 3)).astype(np.uint8)
    (folder / person.name / "wall.png").write_bytes(encode_image(noise, "png"))
    caplog.set_level("WARNING")
    import_faces(FolderFaces(source="folder", path=str(folder), align="mtcnn"), tmp_path / "f.h5", Provenance())
    faces = FaceSet(tmp_path / "f.h5")
    assert len(faces) == 2 and faces.image_size == (112, 112)
    assert faces.attrs["left_out"] == 1 and faces.attrs["alignment"] == "arcface"
    assert "1 photographs left out" in caplog.text and "wall.png: no face" in caplog.text


def test_bin_benchmark(tmp_path):
    images = blobs(40, codec="jpeg")
    images[7] = images[0]
    same = [True, False] * 10
    write_bin(tmp_path / "b.bin", images, same)
    import_benchmark(
        BinBenchmark(source="bin", path=str(tmp_path / "b.bin")), tmp_path / "f.h5", tmp_path / "p.h5", Provenance()
    )
    faces, pairs = FaceSet(tmp_path / "f.h5"), read_artifact(tmp_path / "p.h5", schemas.BENCHMARK)
    assert len(faces) == 39  # the repeated photograph is stored once
    assert [faces.encoded(i) for pair in zip(pairs["first"], pairs["second"], strict=True) for i in pair] == images
    assert pairs["same"].tolist() == same
    assert np.bincount(pairs["fold"]).tolist() == [2] * 10


def test_pairs_benchmark_of_some_folds(tmp_path):
    for name in ("A", "B", "C"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for i, blob in enumerate(blobs(3, codec="jpeg"), 1):
            (tmp_path / "faces" / name / f"{name}_{i:04d}.jpg").write_bytes(blob)
    (tmp_path / "pairs.txt").write_text("3\t1\nA\t1\t2\nA\t1\tB\t1\nB\t1\t2\nB\t1\tC\t1\nC\t1\t2\nC\t1\tA\t1\n")
    settings = PairsBenchmark(
        source="pairs", pairs=str(tmp_path / "pairs.txt"), folder=str(tmp_path / "faces"), folds=(1, 3)
    )
    import_benchmark(settings, tmp_path / "f.h5", tmp_path / "p.h5", Provenance())
    faces, pairs = FaceSet(tmp_path / "f.h5"), read_artifact(tmp_path / "p.h5", schemas.BENCHMARK)
    keys = faces.column("source_key")
    found = [(keys[a], keys[b]) for a, b in zip(pairs["first"], pairs["second"], strict=True)]
    assert found[0] == ("A/A_0001.jpg", "A/A_0002.jpg") and found[3] == ("C/C_0001.jpg", "A/A_0001.jpg")
    assert pairs["fold"].tolist() == [0, 0, 1, 1] and pairs["same"].tolist() == [True, False] * 2
    with pytest.raises(InputError, match="has 3 folds: fold 4 is none of them"):
        import_benchmark(
            settings.model_copy(update={"folds": (4,)}), tmp_path / "f.h5", tmp_path / "p.h5", Provenance()
        )


@pytest.fixture
def uneven(tmp_path):
    """Identities a (1 image), b (3), c (5), d (8) and two unlabelled images."""
    names = ["a", *"bbb", *"ccccc", *"dddddddd", "", ""]
    images = np.arange(len(names) * 4 * 4 * 3).reshape(-1, 4, 4, 3).astype(np.uint8)
    with FaceSetWriter(tmp_path / "f.h5", (4, 4), "png") as writer:
        writer.add(images, names)
    return tmp_path / "f.h5"


def counts(path) -> dict[str, int]:
    faces = FaceSet(path)
    return dict(zip(faces.identity_names, faces.counts().tolist(), strict=True))


def test_subset_limits_identities_and_images(tmp_path, uneven):
    out = tmp_path / "s.h5"
    subset_faces(SubsetFaces(source="subset", of="f", min_per_identity=3), uneven, out, Provenance())
    assert counts(out) == {"b": 3, "c": 5, "d": 8}
    subset_faces(SubsetFaces(source="subset", of="f", per_identity=2), uneven, out, Provenance())
    assert counts(out) == {"a": 1, "b": 2, "c": 2, "d": 2}
    subset_faces(SubsetFaces(source="subset", of="f", identities=2, seed=1), uneven, out, Provenance())
    assert len(counts(out)) == 2
    subset_faces(SubsetFaces(source="subset", of="f", exclude="x"), uneven, out, Provenance(), [out])
    assert len(counts(out)) == 2 and -1 not in FaceSet(out).identity
    with pytest.raises(InputError, match="1 of 4 identities have 6 images or more, 3 are asked for"):
        subset_faces(SubsetFaces(source="subset", of="f", min_per_identity=6, identities=3), uneven, out, Provenance())


def test_subset_is_drawn_by_seed(tmp_path, uneven):
    drawn = []
    for seed in (0, 0, 1, 2, 3):
        subset_faces(
            SubsetFaces(source="subset", of="f", per_identity=1, seed=seed), uneven, tmp_path / "s.h5", Provenance()
        )
        drawn.append(FaceSet(tmp_path / "s.h5").column("source_index").tolist())
    assert drawn[0] == drawn[1] and len({tuple(d) for d in drawn}) > 1


def test_rendered_face_set_stores_coefficients_and_attributes(tmp_path):
    render_faces(
        RenderedFaces(source="rendered", identities=3, per_identity=4, first_identity=7),
        tmp_path / "r.h5",
        Provenance(),
    )
    faces = FaceSet(tmp_path / "r.h5")
    assert faces.counts().tolist() == [4] * 3 and faces.image_size == (112, 112)
    alpha = draw_identities(np.arange(7, 10), 0)
    assert np.array_equal(faces.column("alpha"), alpha[faces.identity])
    assert abs(faces.column("theta")[:, 0]).max() > 1
    assert {"attribute_Smiling", "attribute_Eyeglasses"} <= set(faces.column_names)


def test_rendered_identity_mixup_is_in_coefficient_space(tmp_path):
    settings = RenderedFaces(source="rendered", identities=4, per_identity=3, identity_mixup=True)
    render_faces(settings, tmp_path / "r.h5", Provenance())
    faces = FaceSet(tmp_path / "r.h5")
    own, partner, phi = draw_identities(np.arange(4), 0), faces.column("partner"), faces.column("phi")[:, None]
    expected = phi * own[faces.identity] + (1 - phi) * own[partner]
    np.testing.assert_allclose(faces.column("alpha"), expected, atol=1e-6)
    assert (partner != faces.identity).all() and np.allclose(np.round(phi * 20), phi * 20, atol=1e-5)


@pytest.mark.parametrize("mixed", [False, True])
def test_rendered_faces_of_one_factor_have_its_values(tmp_path, mixed):
    files = {}
    for vary in ((), ("pose",), ("illumination", "expression")):
        settings = RenderedFaces(source="rendered", identities=3, per_identity=2, identity_mixup=mixed, vary=vary)
        files[vary] = tmp_path / f"{len(vary)}.h5"
        render_faces(settings, files[vary], Provenance())
    everything, pose, light = (FaceSet(path) for path in files.values())
    assert np.array_equal(pose.column("theta"), everything.column("theta")) and not light.column("theta").any()
    assert not np.array_equal(pose.images(slice(None)), everything.images(slice(None)))
    for faces in (pose, light):
        assert np.array_equal(faces.column("alpha"), everything.column("alpha"))
        assert len(np.unique(faces.images(slice(None)), axis=0)) == 6
        assert not faces.column("attribute_Eyeglasses").any() and not faces.column("attribute_Wearing_Hat").any()


def test_the_settings_name_the_factors_of_the_renderer():
    assert set(get_args(get_args(RenderedFaces.model_fields["vary"].annotation)[0])) == set(FACTORS)
    with pytest.raises(ValidationError, match="expression"):
        RenderedFaces(source="rendered", vary=["age"])


def test_rendered_benchmark_is_balanced_and_disjoint(tmp_path):
    settings = RenderedBenchmark(source="rendered", identities=20, pairs=80, folds=5, image_size=32)
    render_benchmark(settings, tmp_path / "f.h5", tmp_path / "p.h5", Provenance())
    faces, pairs = FaceSet(tmp_path / "f.h5"), read_artifact(tmp_path / "p.h5", schemas.BENCHMARK)
    first, second = faces.identity[pairs["first"]], faces.identity[pairs["second"]]
    assert ((first == second) == pairs["same"]).all() and pairs["same"].sum() == 40
    assert np.bincount(pairs["fold"]).tolist() == [16] * 5
    used = np.concatenate([pairs["first"], pairs["second"]])
    assert len(set(used)) == len(used)  # no image in two pairs
    people = [set(first[pairs["fold"] == f]) | set(second[pairs["fold"] == f]) for f in range(5)]
    assert sum(map(len, people)) == len(set().union(*people))

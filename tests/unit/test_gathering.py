"""Copies of the inquiry images: as many, the same bytes, labelled, and nothing else of the shards changed."""

from pathlib import Path

import numpy as np
import pytest

from semihard.errors import InputError
from semihard.generator import gathering
from semihard.generator.gathering import gather_shards, identity_name
from semihard.generator.inquiries import read_inquiry_images
from semihard.generator.settings import SyntheticFaces
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import DIM, SIZE, toy_images

IDENTITIES, PER_IDENTITY, SIDE = 5, 3, 12
SOURCE = [7, 2, 9, 0, 4]


def entry(**given) -> SyntheticFaces:
    defaults = {"identities": IDENTITIES, "per_identity": PER_IDENTITY, "inquiry_copies": 2, "seed": 3}
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **(defaults | given))


def shards(folder: Path, codec: str = "jpeg") -> list[Path]:
    """Fifteen images of five identities, cut inside an identity."""
    total = IDENTITIES * PER_IDENTITY
    images = np.random.default_rng(0).integers(0, 256, (total, SIDE, SIDE, 3), np.uint8)
    identity, index = np.divmod(np.arange(total), PER_IDENTITY)
    columns = {
        "m": np.full(total, 0.1, np.float32),
        "similarity": np.linspace(0, 1, total, dtype=np.float32),
        "partner": np.full(total, -1, np.int32),
        "phi": np.ones(total, np.float32),
        "index": index.astype(np.int32),
    }
    paths = []
    for rows in (slice(0, 4), slice(4, total)):
        paths.append(folder / f"shard{rows.start}.h5")
        with FaceSetWriter(paths[-1], (SIDE, SIDE), codec, attrs={"source": "synthesis"}) as writer:
            names = [identity_name(3, i) for i in identity[rows]]
            writer.add(images[rows], names, {name: values[rows] for name, values in columns.items()})
    return paths


@pytest.fixture
def inquiries(tmp_path) -> tuple[Path, Path]:
    with FaceSetWriter(tmp_path / "inquiry_faces.h5", (SIZE, SIZE), "png", attrs={"licence": "for research"}) as writer:
        writer.add(toy_images(10), [f"person{i}" for i in range(10)])
    embedding = np.eye(IDENTITIES, DIM, dtype=np.float32)
    names = [f"person{i}" for i in SOURCE]
    data = {"source_index": SOURCE, "source_name": names, "embedding": embedding, "nearest": np.zeros(IDENTITIES)}
    write_artifact(tmp_path / "inquiries.h5", schemas.INQUIRIES, data)
    return tmp_path / "inquiries.h5", tmp_path / "inquiry_faces.h5"


@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
@pytest.mark.parametrize("block", [1, 2, 256])
def test_copies_follow_the_synthesized_images(tmp_path, monkeypatch, inquiries, codec, block):
    monkeypatch.setattr(gathering, "IDENTITIES_PER_BLOCK", block)
    paths, settings = shards(tmp_path, codec), entry()
    gather_shards(paths, tmp_path / "plain.h5", Provenance())
    gather_shards(paths, tmp_path / "faces.h5", Provenance(), settings, *inquiries)
    plain, faces = FaceSet(tmp_path / "plain.h5"), FaceSet(tmp_path / "faces.h5")
    n = len(plain)
    assert len(faces) == n + 2 * IDENTITIES and faces.identity_names == plain.identity_names
    assert [faces.encoded(i) for i in range(n)] == [plain.encoded(i) for i in range(n)]
    assert faces.counts().tolist() == [PER_IDENTITY + 2] * IDENTITIES
    assert faces.identity[n:].tolist() == np.repeat(np.arange(IDENTITIES), 2).tolist()
    expected = read_inquiry_images(FaceSet(inquiries[1]), np.array(SOURCE), SIDE)
    for k in range(2 * IDENTITIES):
        assert faces.encoded(n + k) == encode_image(expected[k // 2], codec)
    for name in plain.column_names:
        assert np.array_equal(faces.column(name)[:n], plain.column(name))
        assert faces.column(name).dtype == plain.column(name).dtype
    assert np.isnan(faces.column("m")[n:]).all() and (faces.column("similarity")[n:] == 1).all()
    assert (faces.column("inquiry_copy")[:n] == 0).all() and (faces.column("inquiry_copy")[n:] == 1).all()
    assert (faces.column("partner")[n:] == -1).all() and (faces.column("phi")[n:] == 1).all()
    assert faces.column("index")[n:].tolist() == [PER_IDENTITY, PER_IDENTITY + 1] * IDENTITIES
    assert (faces.attrs["licence"], plain.attrs["licence"]) == ("", "")


def test_the_copy_of_a_center_s_inquiry_does_not_claim_its_similarity(tmp_path, inquiries):
    gather_shards(shards(tmp_path), tmp_path / "faces.h5", Provenance(), entry(center="mean"), *inquiries)
    assert np.isnan(FaceSet(tmp_path / "faces.h5").column("similarity")[IDENTITIES * PER_IDENTITY :]).all()


def test_no_copies_leave_the_set_as_it_is(tmp_path, inquiries):
    paths = shards(tmp_path)
    gather_shards(paths, tmp_path / "plain.h5", Provenance())
    gather_shards(paths, tmp_path / "faces.h5", Provenance(), entry(inquiry_copies=0))
    assert (tmp_path / "plain.h5").read_bytes() == (tmp_path / "faces.h5").read_bytes()


def test_inquiries_of_another_set_are_refused(tmp_path, inquiries):
    paths = shards(tmp_path)
    with pytest.raises(InputError, match="5 inquiries among the first 10 images, expected 6 of the 10"):
        gather_shards(paths, tmp_path / "faces.h5", Provenance(), entry(identities=6), *inquiries)
    with pytest.raises(InputError, match="expected 5 of the 4 in"):
        with FaceSetWriter(tmp_path / "few.h5", (SIZE, SIZE)) as writer:
            writer.add(toy_images(4), ["a", "b", "c", "d"])
        gather_shards(paths, tmp_path / "faces.h5", Provenance(), entry(), inquiries[0], tmp_path / "few.h5")
    assert not (tmp_path / "faces.h5").exists()


def test_the_licences_of_what_a_set_is_made_of_hold_for_it(tmp_path):
    """Of the inquiries and of the training set, each once, whether or not photographs are in it."""
    sets = []
    for name, licence in {"a": "CC BY 4.0", "b": "research only", "c": "CC BY 4.0", "d": ""}.items():
        sets.append(tmp_path / f"{name}.h5")
        with FaceSetWriter(sets[-1], (SIZE, SIZE), "png", attrs={"licence": licence}) as writer:
            writer.add(np.zeros((1, SIZE, SIZE, 3), np.uint8), ["somebody"])
    gather_shards(shards(tmp_path), tmp_path / "faces.h5", Provenance(), entry(inquiry_copies=0), made_of=sets)
    assert FaceSet(tmp_path / "faces.h5").attrs["licence"] == "CC BY 4.0, research only"

"""The path over φ: rendered and drawn faces from one identity to another, all else the same, and how like both ends they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semihard.errors import InputError
from semihard.figures.sheets import plot_mixup_path
from semihard.generator.mixup_path import synthesize_mixup_path
from semihard.generator.sampling import synthesize
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.mixup import draw_partners
from semihard.similarity.mixup_path import PHI, path_pairs
from semihard.sources.rendered import hold
from semihard.sources.rendered.morphable import draw_identities, mix_identities
from semihard.sources.rendered.nuisance import draw_nuisance
from semihard.sources.rendered.renderer import render
from semihard.sources.rendered_path import render_mixup_path
from semihard.sources.settings import RenderedFaces
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import SIZE, toy_embedder, toy_generator, toy_inquiries


@pytest.fixture(scope="module")
def embedder(tmp_path_factory) -> Path:
    return toy_embedder(tmp_path_factory.mktemp("embedder") / "model.safetensors")


def rendered(**given) -> RenderedFaces:
    return RenderedFaces(source="rendered", identity_mixup=True, image_size=SIZE, **given)


def drawn(**given) -> SyntheticFaces:
    kind = {"source": "synthesis", "generator": "g", "inquiries": "i", "identities": 4, "per_identity": 2, "steps": 2}
    return SyntheticFaces(**(kind | {"similarity": 0.5, "codec": "png", "precision": "fp32"} | given))


def check_ends(path: dict[str, np.ndarray]) -> None:
    assert np.allclose(path["similarity"][:, -1, 0], 1, atol=1e-5) and np.allclose(
        path["similarity"][:, 0, 1], 1, atol=1e-5
    )
    assert np.allclose(path["similarity"][:, -1, 1], path["similarity"][:, 0, 0], atol=1e-5)


def test_pairs_are_spread_over_the_set_and_have_the_partner_of_the_first_image():
    identity, partner = path_pairs(3, 5, 101)
    assert identity.tolist() == [0, 20, 40, 60, 80, 100]
    assert partner.tolist() == [draw_partners(3, k, 5, 101)[0][0] for k in identity.tolist()]
    assert np.array_equal(partner, path_pairs(3, 50, 101)[1])
    assert path_pairs(0, 1, 2)[1].tolist() == [1, 0]
    with pytest.raises(InputError, match="two identities"):
        path_pairs(0, 1, 1)


@pytest.mark.parametrize("vary", [(), ("pose",)])
def test_a_rendered_path_mixes_coefficients_under_one_nuisance(tmp_path, embedder, vary):
    settings = rendered(identities=8, per_identity=2, first_identity=30, seed=2, vary=vary)
    render_mixup_path(settings, embedder, tmp_path / "p.h5", Provenance())
    path = read_artifact(tmp_path / "p.h5", schemas.MIXUP_PATH)
    assert path["images"].shape == (6, 11, SIZE, SIZE, 3) and np.array_equal(path["phi"], PHI)
    identity, partner = (numbers + 30 for numbers in path_pairs(2, 2, 8))
    assert path["identity"].tolist() == [f"rendered-2-{k:05d}" for k in identity]
    assert path["partner"].tolist() == [f"rendered-2-{k:05d}" for k in partner]
    nuisance = hold(draw_nuisance(2, identity, np.zeros(6, int)), vary)
    for step, phi in enumerate(PHI):
        mixed = mix_identities(draw_identities(identity, 2), draw_identities(partner, 2), phi)
        assert np.array_equal(path["images"][:, step], render(mixed, nuisance, SIZE))
    check_ends(path)


@pytest.fixture(scope="module")
def generated(tmp_path_factory, embedder) -> list[Path]:
    folder = tmp_path_factory.mktemp("generator")
    return [toy_generator(folder / "g.safetensors", embedder), toy_inquiries(folder / "i.h5", 4)]


def test_a_drawn_path_mixes_conditions_under_one_noise(tmp_path, embedder, generated):
    synthesize_mixup_path(drawn(identity_mixup=True), *generated, embedder, tmp_path / "p.h5", Provenance())
    path = read_artifact(tmp_path / "p.h5", schemas.MIXUP_PATH)
    assert path["images"].shape == (4, 11, SIZE, SIZE, 3)
    synthesize(drawn(), 0, generated[0], tmp_path / "f.h5", Provenance(), embedder, generated[1])
    unmixed = FaceSet(tmp_path / "f.h5").images(slice(0, None, 2)).astype(int)  # the first of each identity
    assert np.abs(path["images"][:, -1].astype(int) - unmixed).max() <= 1
    assert path["identity"].tolist() == [f"synthetic-0-{k:05d}" for k in range(4)]
    assert (path["identity"] != path["partner"]).all() and (np.ptp(path["images"].astype(int), 1) > 0).any()
    check_ends(path)


def test_a_path_needs_a_generator_that_takes_a_similarity(tmp_path, embedder, generated):
    generator = toy_generator(tmp_path / "d.safetensors", embedder, "dcface")
    with pytest.raises(InputError, match="a dcface generator mixes no identities; take one of method cemiface"):
        synthesize_mixup_path(drawn(), generator, generated[1], embedder, tmp_path / "p.h5", Provenance())


def test_the_sheet_holds_the_very_pixels_and_both_cosines(tmp_path, embedder):
    settings = rendered(identities=3).model_copy(update={"image_size": 112})
    render_mixup_path(settings, embedder, tmp_path / "p.h5", Provenance())
    path = read_artifact(tmp_path / "p.h5", schemas.MIXUP_PATH)
    plot_mixup_path(tmp_path / "p.h5", tmp_path / "p.png", tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert table.columns.tolist() == ["row", "column", "phi", "identity", "partner", "to_partner", "to_identity"]
    assert np.allclose(table["to_identity"].to_numpy().reshape(3, 11), path["similarity"][:, :, 0], atol=1e-6)
    assert np.allclose(table["to_partner"].to_numpy().reshape(3, 11), path["similarity"][:, :, 1], atol=1e-6)
    sheet = np.asarray(Image.open(tmp_path / "p.png"))
    assert np.array_equal(sheet[33 : 33 + 112, 8 + 114 * 5 :][:, :112], path["images"][0, 5])
    plot_mixup_path(tmp_path / "p.h5", tmp_path / "again.png", tmp_path / "again.csv")
    assert (tmp_path / "p.png").read_bytes() == (tmp_path / "again.png").read_bytes()

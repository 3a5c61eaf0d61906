"""What SynFace looks at: one factor of the faces varied at a time, and real and synthetic features on one map."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semihard.errors import UnmeasurableError
from semihard.figures.factors import plot_factors
from semihard.figures.features import HEADER, MOST, feature_map, plot_feature_map
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured, write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.verification.protocol import tar_at_far
from semihard.workflow.figures import mixed_facesets, pictures, varied_facesets
from semihard.workflow.study import Plan
from tests.unit.test_configuration import BASE


def study(compare: list[str], show: tuple[str, ...] = (), **facesets: dict) -> Plan:
    config = copy.deepcopy(BASE)
    config["facesets"] |= {name: {"source": "rendered"} | entry for name, entry in facesets.items()}
    config["study"] |= {"compare": compare, "show": list(show)}
    return Plan(config)


def test_factors_are_drawn_where_a_set_has_one_varied():
    sets = {
        "poses": {"vary": ["pose"]},
        "two": {"vary": ["expression", "illumination"]},
        "all": {},
        "fewer": {"identities": 20},
        "fewer_lit": {"identities": 20, "vary": ["illumination"]},
    }
    plan = study(["two", "synthetic", "all", "fewer"], ("poses",), **sets)
    expected = {"real": "", "all": "everything", "two": "expression and illumination", "poses": "pose"}
    assert varied_facesets(plan) == expected and list(varied_facesets(plan)) == list(expected)
    assert "results/figures/factors.svg" in pictures(plan)
    assert "fewer" in varied_facesets(study(["fewer", "fewer_lit"], **sets))
    none = study(["all", "synthetic"], **sets)
    assert varied_facesets(none) == {} and "results/figures/factors.svg" not in pictures(none)


def test_paths_are_drawn_of_sets_with_mixup_once_for_equal_ones():
    mixed = {"identity_mixup": True}
    sets = {"a": mixed | {"per_identity": 5}, "b": mixed | {"per_identity": 9}, "c": mixed | {"identities": 9}, "d": {}}
    plan = study(["a", "b", "c", "d", "synthetic"], **sets)
    assert [wildcards["faceset"] for wildcards in mixed_facesets(plan)] == ["a", "c"]
    config = copy.deepcopy(BASE)
    config["facesets"]["synthetic"]["identity_mixup"] = True
    assert "results/figures/mixup_paths/synthetic.png" in pictures(Plan(config))


def diversity(path: Path, genuine: float, pairs: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(round(100 * genuine))
    data = {
        "name": [
            "identities",
            "images",
            "consistency",
            "intra_class_similarity",
            "uniqueness",
            "equal_error_rate",
            "d_prime",
        ],
        "value": [50, 500, 0.9, genuine, 0.8, 0.08 - 0.05 * genuine, 8 * genuine],
        "genuine": np.clip(rng.normal(genuine, 0.13, pairs), -1, 1).astype(np.float32),
        "impostor": np.clip(rng.normal(0.03, 0.09, pairs), -1, 1).astype(np.float32),
    }
    write_artifact(path, schemas.DIVERSITY, data)
    return data


def test_the_table_of_factors_is_what_was_measured(tmp_path):
    varies = {"real": "", "all": "everything", "poses": "pose"}
    data = {name: diversity(tmp_path / f"{name}.h5", g) for name, g in (("real", 0.4), ("all", 0.5), ("poses", 0.8))}
    with or_unmeasured(tmp_path / "lit.h5", schemas.DIVERSITY):
        raise UnmeasurableError("one image of each")
    files = {name: tmp_path / f"{name}.h5" for name in (*data, "lit")}
    plot_factors(files, tmp_path / "f.svg", tmp_path / "f.csv", varies=varies | {"lit": "illumination"})
    table = pd.read_csv(tmp_path / "f.csv").set_index("faceset")
    assert table.index.tolist() == list(data) and table["varies"].fillna("").tolist() == list(varies.values())
    for name, of in data.items():
        cosine = np.concatenate([of["genuine"], of["impostor"]])
        expected = tar_at_far(-cosine, np.arange(len(cosine)) < 4000, [0.001])[0]
        assert np.isclose(table.loc[name, "tar_at_far_0.001"], expected)
        assert np.isclose(table.loc[name, "genuine_mean"], of["genuine"].mean(dtype=float))
        assert np.isclose(table.loc[name, "impostor_p95"], np.percentile(of["impostor"], 95))
        assert np.isclose(table.loc[name, "equal_error_rate"], of["value"][5])
    assert "lit: not measured: one image of each" in (tmp_path / "f.svg").read_text()
    plot_factors(files, tmp_path / "again.svg", tmp_path / "again.csv", varies=varies | {"lit": "illumination"})
    assert (tmp_path / "f.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_factors_of_nothing_measured_or_too_few_pairs_stop_no_study(tmp_path):
    with or_unmeasured(tmp_path / "lit.h5", schemas.DIVERSITY):
        raise UnmeasurableError("one image of each")
    plot_factors({"lit": tmp_path / "lit.h5"}, tmp_path / "f.svg", tmp_path / "f.csv", varies={"lit": "illumination"})
    assert pd.read_csv(tmp_path / "f.csv").empty
    diversity(tmp_path / "few.h5", 0.5, pairs=20)
    plot_factors({"few": tmp_path / "few.h5"}, tmp_path / "g.svg", tmp_path / "g.csv", varies={"few": "pose"})
    assert pd.read_csv(tmp_path / "g.csv")["tar_at_far_0.001"].isna().all()


def embedded(folder: Path, name: str, embedding: np.ndarray, copies: int = 0) -> tuple[Path, Path]:
    """A face set of blank images, the first of them copies of inquiries, and its embeddings."""
    n = len(embedding)
    with FaceSetWriter(folder / f"{name}.h5", (8, 8), "raw") as writer:
        columns = {"inquiry_copy": (np.arange(n) < copies).astype(np.int8)}
        writer.add(np.zeros((n, 8, 8, 3), np.uint8), ["p"] * n, columns)
    write_artifact(folder / f"{name}.e.h5", schemas.EMBEDDINGS, {"embedding": embedding})
    return folder / f"{name}.h5", folder / f"{name}.e.h5"


def draw(folder: Path, sets: dict[str, tuple[Path, Path]]) -> pd.DataFrame:
    faces, embeddings = zip(*sets.values(), strict=True)
    plot_feature_map(faces, embeddings, folder / "m.png", folder / "m.csv", names=list(sets), real="real")
    return pd.read_csv(folder / "m.csv")


def test_the_map_parts_domains_and_leaves_copies_out(tmp_path):
    rng = np.random.default_rng(0)
    middle = np.eye(64)[:3] * 6
    sets = {
        name: embedded(tmp_path, name, rng.normal(size=(count, 64)) + middle[k], copies)
        for k, (name, count, copies) in enumerate((("real", 620, 0), ("drawn", 60, 20), ("other", 40, 0)))
    }
    table = draw(tmp_path, sets)
    assert table.columns.tolist() == HEADER
    assert table["faceset"].value_counts().to_dict() == {"real": MOST, "drawn": 40, "other": 40}
    assert table.loc[table["faceset"] == "drawn", "image"].tolist() == list(range(20, 60))
    assert table.loc[table["faceset"] == "real", "image"].is_monotonic_increasing
    place, label = table[["x", "y"]].to_numpy(), table["faceset"].to_numpy()
    distance = np.square(place[:, None] - place).sum(2) + np.diag(np.full(len(place), np.inf))
    assert (label[distance.argmin(1)] == label).mean() > 0.97
    first = (tmp_path / "m.png").read_bytes(), (tmp_path / "m.csv").read_bytes()
    draw(tmp_path, sets)
    assert first == ((tmp_path / "m.png").read_bytes(), (tmp_path / "m.csv").read_bytes())


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("alike", [False, True])
def test_a_map_of_few_or_equal_features_stops_no_study(tmp_path, count, alike):
    values = np.ones((count, 8)) if alike else np.random.default_rng(1).normal(size=(count, 8))
    rows = draw(
        tmp_path, {name: embedded(tmp_path, name, values[: count // (k + 1)]) for k, name in enumerate(("real", "b"))}
    )
    assert len(rows) == (9 if count == 6 and not alike else 0)
    assert (tmp_path / "m.png").stat().st_size and rows.columns.tolist() == HEADER


@pytest.mark.parametrize("shape", [(5, 1), (5, 200), (40, 2)])
def test_any_shape_of_features_has_a_map(shape):
    assert np.isfinite(feature_map(np.random.default_rng(0).normal(size=shape))).all()

"""Features of real and synthetic faces on one map (SynFace, ICCV 2021, looks at the gap of the two domains so)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from semihard.audit.samples import drawn
from semihard.figures.style import COLOURS, MUTED, REAL, WIDTH, new_figure, save, save_nothing, style
from semihard.similarity.embedding_pairs import open_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet

MOST, MOST_OF_ALL = 500, 4000  # images of a set, and of all sets together
COMPONENTS = 50  # that t-SNE's authors keep (van der Maaten and Hinton, JMLR 2008, Sec. 4.2)
PERPLEXITY = 30.0
FEWEST = 5  # images that t-SNE can place
PANELS_PER_ROW = 4
PANELS_BY_ATTRIBUTE = 12
MARKERS, MARKER_NAMES = "o^sDvP", ("circle", "triangle", "square", "diamond", "wedge", "cross")
HEADER = ["faceset", "image", "x", "y"]


def plot_feature_map(
    faces: Sequence[Path | str],
    embeddings: Sequence[Path | str],
    picture: Path | str,
    csv: Path | str,
    names: Sequence[str],
    real: str,
) -> None:
    """Draw a t-SNE of all sets' unit embeddings, a panel per set: its images coloured, those of the real set black.

    faces, embeddings: of the face sets `names`, by one embedder, in the same order. Up to 500 images of each are drawn at
    random, fewer where there are more than eight sets; copies of inquiries are left out. It is one map, so panels may be
    compared. CSV: faceset, image (its index there), x, y. Says so in place of a map where there is nothing to place.
    """
    most = min(MOST, MOST_OF_ALL // len(names))
    chosen, features = [], []
    for name, path, embedded in zip(names, faces, embeddings, strict=True):
        images = FaceSet(path)
        own = np.flatnonzero(images.is_own())
        own = drawn(own, most)
        with open_embeddings(embedded, len(images)) as h5:
            features.append(h5["embedding"][own])
        chosen.append(pd.DataFrame({"faceset": name, "image": own}))
    features = np.concatenate(features).astype(np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    if len(features) < FEWEST or not np.ptp(features, 0).any():
        why = f"{len(features)} images" if len(features) < FEWEST else "all embeddings are the same"
        return save_nothing(picture, csv, HEADER, {"map of features": why})
    table = pd.concat(chosen, ignore_index=True)
    table[["x", "y"]] = feature_map(features)
    shown = [name for name in names if name != real]
    columns = min(PANELS_PER_ROW, len(shown))
    rows = -(-len(shown) // columns)
    with style():
        figure = new_figure(0.2 + 1.9 * rows, WIDTH * max(columns, 2) / PANELS_PER_ROW)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat:
            axes.set_axis_off()
        of_real = table[table["faceset"] == real]
        dot = {"s": 4 if most >= 300 else 6, "linewidths": 0, "alpha": 0.75}
        for number, (axes, name) in enumerate(zip(panels.flat, shown, strict=False)):
            own, colour = table[table["faceset"] == name], COLOURS[number % len(COLOURS)]
            axes.scatter(of_real["x"], of_real["y"], color=REAL, **dot)
            axes.scatter(own["x"], own["y"], color=colour, **dot)
            axes.set_title(_broken(name), fontsize=7, color=colour)
            axes.set_aspect("equal", adjustable="box")
        figure.supxlabel(f"black: {real}", x=0.01, ha="left", fontsize=7, color=MUTED)
        save(figure, picture, table, csv)


def plot_attribute_map(
    map_csv: Path | str,
    attributes: Sequence[Path | str],
    picture: Path | str,
    csv: Path | str,
    names: Sequence[str],
) -> None:
    """Draw the same map by attribute: a panel for each of the twelve whose presence is most even among the images on it, those
    with it coloured, those without grey, undefined ones left out; the sets' images have a marker each.

    map_csv: the CSV of `plot_feature_map`; attributes: artifacts of the face sets `names`, in the same order. CSV: faceset,
    image, x, y, then a column per attribute drawn, of 1, 0 and −1 for undefined.
    """
    table = pd.read_csv(map_csv)
    found = []
    for name, path in zip(names, attributes, strict=True):
        annotation = read_artifact(path, schemas.ATTRIBUTES)
        own = table[table["faceset"] == name]
        columns = pd.DataFrame(annotation["label"][own["image"]], own.index, annotation["name"])
        found.append(pd.concat([own, columns], axis=1))
    drawn = pd.concat(found, ignore_index=True) if found else table
    known = [name for name in drawn.columns[len(HEADER) :] if (drawn[name] >= 0).any()]
    share = {name: (drawn[name] == 1).sum() / (drawn[name] >= 0).sum() for name in known}
    enough = {name: min(s, 1 - s) * (drawn[name] >= 0).mean() for name, s in share.items()}
    shown = sorted((name for name in known if enough[name] > 0), key=lambda name: -enough[name])[:PANELS_BY_ATTRIBUTE]
    if not shown:
        return save_nothing(picture, csv, HEADER, {"map by attribute": "no attribute is defined for any image on it"})
    rows = -(-len(shown) // PANELS_PER_ROW)
    with style():
        figure = new_figure(0.4 + 1.9 * rows, WIDTH)
        panels = figure.subplots(rows, PANELS_PER_ROW, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat:
            axes.set_axis_off()
        for axes, attribute in zip(panels.flat, shown, strict=False):
            for number, name in enumerate(names):
                part = drawn[(drawn["faceset"] == name) & (drawn[attribute] >= 0)].sort_values(attribute)
                colour = np.where(part[attribute] == 1, COLOURS[1], "#c4c4c4")
                axes.scatter(part["x"], part["y"], c=colour, s=5, linewidths=0, marker=MARKERS[number % len(MARKERS)])
            axes.set_title(attribute.replace("_", " "), fontsize=7)
            axes.set_aspect("equal", adjustable="box")
        key = ", ".join(f"{MARKER_NAMES[i % len(MARKERS)]}: {name}" for i, name in enumerate(names))
        figure.supxlabel(
            f"coloured: present, grey: absent; {key}", x=0.01, ha="left", fontsize=7, color=MUTED, wrap=True
        )
        save(figure, picture, drawn[[*HEADER, *shown]], csv)


def feature_map(features: np.ndarray) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton, JMLR 2008) of features `[n, D]`, not all alike, n at least 5: float32 `[n, 2]`.

    Of their first 50 principal components, from the first two. On one thread: the order of its sums is then the same
    each time, and so is the map.
    """
    with threadpool_limits(1):
        reduced = PCA(min(COMPONENTS, *features.shape), random_state=0).fit_transform(features)
        start = np.zeros((len(features), 2))
        start[:, : reduced.shape[1]] = reduced[:, :2]
        start = (1e-4 / start[:, 0].std() * start).astype(np.float32)
        perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
        return TSNE(perplexity=perplexity, init=start, random_state=0, n_jobs=1).fit_transform(reduced)


def _broken(name: str) -> str:
    """A long name on lines of its own."""
    lines, width = [""], 30
    for part in name.replace("-", "- ").split():
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)

"""Every HDF5 artifact but the face set's images: its datasets, their types, shapes and meaning, in this one place.

docs/artifacts.md is generated from `SCHEMAS`; writing and reading check against it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from semihard.atomic import atomic_path
from semihard.errors import InputError
from semihard.provenance import Provenance

SCHEMA_VERSION = 1
TEXT = h5py.string_dtype()

# kind → dataset → (dtype, shape in letters, meaning). A letter stands for one length within an artifact;
# "columns/*" stands for any number of datasets of that shape.
SCHEMAS: dict[str, dict[str, tuple[str, str, str]]] = {
    "faceset": {
        "images/data": (
            "uint8",
            "bytes",
            "encoded images back to back, contiguous: image i = data[offsets[i]:offsets[i+1]]",
        ),
        "images/offsets": ("int64", "N+1", "where each image begins"),
        "identity": ("int32", "N", "class index 0 … K−1; −1 where unlabelled"),
        "identity_names": ("str", "K", "the source's own name of each identity: sets are joined by name"),
        "columns/*": ("any", "N", "what else is known per image: source_key, similarity, m, partner, phi, alpha, …"),
    },
    "benchmark": {
        "first": ("int64", "P", "index of the first image of each pair in the benchmark's face set"),
        "second": ("int64", "P", "index of the second image"),
        "same": ("bool", "P", "True for a genuine pair"),
        "fold": ("int32", "P", "cross-validation fold of each pair"),
    },
    "template_pairs": {
        "first": ("int64", "P", "first template of each pair, as in the face set's column template"),
        "second": ("int64", "P", "second template"),
        "same": ("bool", "P", "True for a genuine pair"),
    },
    "embeddings": {
        "embedding": (
            "float32",
            "N,D",
            "raw features of image plus mirror image, not normalised: the norm is a quality cue",
        )
    },
    "centers": {
        "center": ("float32", "K,D", "unit identity centers"),
        "identity_names": ("str", "K", "as in the face set"),
        "count": ("int64", "K", "images per identity"),
        "similarity": ("float32", "N", "cosine of each image to its own center; NaN where unlabelled"),
    },
    "bins": {
        "bin": ("int32", "N", "similarity bin of each image, 0 = most similar; −1 = in none"),
        "mean_similarity": ("float64", "B", "mean similarity per bin"),
        "highest": ("float64", "B", "highest similarity, averaged over identities (CemiFace Table 9)"),
        "lowest": ("float64", "B", "lowest similarity, averaged over identities"),
        "count": ("int64", "B", "images per bin"),
    },
    "history": {
        "step": ("int64", "S", "optimizer step"),
        "columns/*": ("float64", "S", "loss terms, learning rate, …"),
    },
    "inquiries": {
        "source_index": ("int64", "Q", "image of the inquiry face set that defines each new identity"),
        "source_name": ("str", "Q", "that image's identity name in its face set"),
        "embedding": ("float32", "Q,D", "unit embedding of the inquiry"),
        "nearest": ("float32", "Q", "highest cosine to an inquiry selected before it"),
    },
    "calibration": {
        "m": ("float64", "M", "requested similarity"),
        "embedder": ("str", "E", "who measures: loss, the generator's own embedder, then others"),
        "similarity": ("float32", "E,M,I,K", "achieved cosine to inquiry I of its image K: one noise for every m"),
        "pearson_r": ("float64", "E", "Pearson r of requested and achieved similarity over all single images"),
        "pearson_r_mean": ("float64", "E", "r of the mean curve: of the mean over images per m"),
        "pearson_r_within": ("float64", "E", "mean r of the images from one noise, over inquiries and noises"),
        "monotonicity": ("float64", "E", "share of neighbouring values of m whose mean achieved similarity rises"),
        "bin_edges": ("float64", "B+1", "bins of similarity of CemiFace Table 7, and below 0; the outer ones are open"),
        "counts": ("int64", "E,M,B", "inquiries per bin, by the mean similarity of their images"),
        "images": ("uint8", "M,L,H,W,3", "the first image of the first L inquiries at every m: the similarity ladder"),
        "inquiry_images": ("uint8", "L,H,W,3", "the ladder's inquiry images at the generator's size"),
    },
    "verification": {
        "distance": ("float64", "P", "squared Euclidean distance of the unit embeddings of each pair"),
        "same": ("bool", "P", "True for a genuine pair"),
        "fold": ("int32", "P", "cross-validation fold"),
        "accuracy": ("float64", "F", "accuracy per fold at the threshold chosen on the other folds"),
        "threshold": ("float64", "F", "that threshold"),
    },
    "template_verification": {
        "cosine": ("float32", "P", "cosine of the two templates of each pair"),
        "same": ("bool", "P", "True for a genuine pair"),
        "false_accept_rate": ("float64", "R", "false accept rates asked for"),
        "true_accept_rate": (
            "float64",
            "R",
            "greatest true accept rate that is possible at each; NaN where one impostor pair is more",
        ),
    },
    "epochs": {
        "epoch": ("int64", "E", "the epochs kept, the last one included"),
        "accuracy": (
            "float64",
            "E,F",
            "accuracy per fold at the threshold chosen on the other folds, as in verification",
        ),
    },
    "scores": {
        "label": ("str", "L", "each line of the study table"),
        "faceset": ("str", "L", "face set the recognizer was trained on; empty for a reference embedder"),
        "recognizer": ("str", "L", "how it was trained, or the reference embedder"),
        "benchmark": ("str", "B", "benchmarks"),
        "averaged": ("bool", "B", "True where the benchmark enters the average"),
        "seed": ("int64", "S", "training seeds; −1 for a reference embedder"),
        "accuracy": ("float64", "L,B,S", "mean accuracy over folds in percent; NaN where there is none"),
        "average": ("float64", "L", "mean over the averaged benchmarks and seeds"),
        "interval": ("float64", "L,2", "95 % bootstrap interval over pairs of the average"),
    },
    "attributes": {
        "name": ("str", "A", "attribute names"),
        "label": ("int8", "N,A", "1 present, 0 absent, −1 undefined (prediction not reliable enough)"),
        "probability": ("float32", "N,A", "probability of presence"),
        "held_out_accuracy": (
            "float64",
            "A",
            "balanced accuracy of the classifier on held-out identities; NaN for ground truth",
        ),
    },
    "leakage": {
        "nearest_index": ("int64", "N", "nearest image of the reference set, by cosine"),
        "nearest_similarity": ("float32", "N", "its cosine"),
        "threshold": (
            "float64",
            "",
            "cosine at the false match rate asked for, between different identities of the reference set",
        ),
    },
    "fidelity": {
        "features": ("str", "F", "what is compared: embedding and, where the weights are there, inception"),
        "name": ("str", "Q", "measure"),
        "value": ("float64", "F,Q", "the measure against one half of the real set; NaN where there are too few images"),
        "null": ("float64", "F,Q", "the same between the two halves of the real set"),
        "count": ("int64", "F", "images of each of them"),
    },
    "learning": {
        "epoch": ("int64", "E", "the epochs kept"),
        "images": ("int64", "E", "images seen by then"),
        "name": ("str", "Q", "measure, as in fidelity"),
        "value": ("float64", "E,Q", "of what the averaged weights of that epoch draw"),
        "null": ("float64", "Q", "of the two halves of the training set"),
    },
    "diversity": {
        "name": ("str", "S", "quantity"),
        "value": ("float64", "S", "its value"),
        "genuine": ("float32", "G", "cosines of sampled image pairs of one identity"),
        "impostor": ("float32", "I", "cosines of sampled image pairs of different identities"),
    },
}


class ArtifactWriter:
    """What `create_artifact` yields: `write` a whole dataset, or `create` one and fill it block by block."""

    def __init__(self, h5: h5py.File, kind: str):
        self._h5, self._schema = h5, SCHEMAS[kind]

    def create(self, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
        """A contiguous dataset of the schema's dtype, to be filled in blocks."""
        return self._h5.create_dataset(name, shape, np.dtype(self._schema[name][0]))

    def write(self, name: str, values: np.ndarray | list) -> None:
        """Write one dataset of the schema (or a `columns/…`)."""
        dtype = self._schema[name if name in self._schema else "columns/*"][0]
        if dtype == "str":
            self._h5.create_dataset(name, data=np.array(list(values), object), dtype=TEXT)
        else:
            self._h5.create_dataset(name, data=np.asarray(values) if dtype == "any" else np.asarray(values, dtype))


@contextmanager
def create_artifact(
    path: Path | str,
    kind: str,
    provenance: Provenance | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> Iterator[ArtifactWriter]:
    """Write an artifact of `kind` under a temporary name; it appears only when complete and true to its schema."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as h5:
        h5.attrs.update(
            {"kind": kind, "schema": SCHEMA_VERSION, **(provenance or Provenance()).attributes(), **(attrs or {})}
        )
        yield ArtifactWriter(h5, kind)
        _check(h5, kind, path)


def write_artifact(
    path: Path | str,
    kind: str,
    data: Mapping[str, np.ndarray | list],
    provenance: Provenance | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write a whole artifact at once: `data` maps dataset names to values, `attrs` adds attributes."""
    with create_artifact(path, kind, provenance, attrs) as writer:
        for name, values in data.items():
            writer.write(name, values)


def read_artifact(path: Path | str, kind: str) -> dict[str, np.ndarray]:
    """All datasets of an artifact by name; text as object arrays of str. Raises InputError where it is not of `kind`."""
    with open_artifact(path, kind) as h5:
        found: dict[str, np.ndarray] = {}

        def collect(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item.asstr()[:] if item.dtype.kind == "O" else item[()]

        h5.visititems(collect)
        return found


def read_attributes(path: Path | str, kind: str) -> dict:
    """The attributes of an artifact of `kind`."""
    with open_artifact(path, kind) as h5:
        return dict(h5.attrs)


def kind_of(path: Path | str) -> str:
    """The kind of an artifact, whichever it is; empty for a file that is none."""
    try:
        with h5py.File(path) as h5:
            return str(h5.attrs.get("kind", ""))
    except OSError:
        return ""


def open_artifact(path: Path | str, kind: str) -> h5py.File:
    """An artifact opened for reading, for block-wise access. Raises InputError where the file is not of `kind`."""
    if not Path(path).is_file():
        raise InputError(f"{path}: not found, expected an artifact of kind {kind!r}")
    try:
        h5 = h5py.File(path)
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error})") from None
    if h5.attrs.get("kind") != kind or h5.attrs.get("schema") != SCHEMA_VERSION:
        found = h5.attrs.get("kind", "something else")
        h5.close()
        raise InputError(
            f"{path}: is {found!r}, expected {kind!r} of schema {SCHEMA_VERSION}; make it again with this version"
        )
    return h5


def _check(h5: h5py.File, kind: str, path: Path | str) -> None:
    lengths: dict[str, int] = {}
    for name, (_, shape, _) in SCHEMAS[kind].items():
        letters = shape.split(",") if shape else []
        for item in h5.get("columns", {}).values() if name == "columns/*" else [h5[name]]:
            if len(letters) > item.ndim or any(
                lengths.setdefault(a, n) != n for a, n in zip(letters, item.shape, strict=False)
            ):
                raise ValueError(f"{path}: {item.name} has shape {item.shape}, the schema says [{shape}]")

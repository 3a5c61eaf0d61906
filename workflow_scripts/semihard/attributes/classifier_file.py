"""An attribute classifier as one safetensors file that another study can use, and its card.

It holds, for each labelled set it was taught, five networks, each of which has not seen one fifth of the identities,
with the branches of those attributes that this set teaches best; which images it was taught, as digests of their bytes,
so that no network ever annotates a face whose labels it was told; and what is known of every attribute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from semihard.attributes.network import AttributeNetwork
from semihard.errors import InputError
from semihard.storage.atomic import atomic_path
from semihard.storage.provenance import Provenance
from semihard.storage.tensors_file import read_tensors, write_tensors

FOLDS = 5
KIND, VERSION = "attribute_classifier", 2


@dataclass(frozen=True)
class Taught:
    """What one labelled set taught.

    faceset, licence: its name and terms; images, identities: how many it has, without identities 0; names: attributes of
    the networks' branches; digests, folds: of its images, int64 `[N]` ascending and uint8 `[N]`; networks: five, network k
    was not taught fold k.
    """

    faceset: str
    licence: str
    images: int
    identities: int
    names: list[str]
    digests: np.ndarray
    folds: np.ndarray
    networks: list[AttributeNetwork]


@dataclass(frozen=True)
class Classifier:
    """names: its attributes, in order; embedder: digest of whose embeddings it sees; dim: their length; wanted: the balanced
    accuracy asked of the labels kept; known: of each attribute, float64 `[A]` by quantity (attributes.calibration.judge, and
    `temperature`); taught: by each labelled set."""

    names: list[str]
    embedder: str
    dim: int
    wanted: float
    known: Mapping[str, np.ndarray]
    taught: Sequence[Taught]


def save_classifier(path: Path | str, classifier: Classifier, provenance: Provenance) -> None:
    """Write it, atomically; the same classifier gives the same bytes."""
    tensors: dict[str, torch.Tensor] = {}
    for s, taught in enumerate(classifier.taught):
        tensors[f"{s}.digests"] = torch.from_numpy(taught.digests)
        tensors[f"{s}.folds"] = torch.from_numpy(taught.folds)
        for k, network in enumerate(taught.networks):
            tensors |= {f"{s}.{k}.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"known.{name}": torch.from_numpy(np.asarray(values)) for name, values in classifier.known.items()}
    own = ("faceset", "licence", "images", "identities", "names")
    about = {
        "kind": KIND,
        "version": VERSION,
        "names": classifier.names,
        "embedder": classifier.embedder,
        "dim": classifier.dim,
        "wanted": classifier.wanted,
        "taught": [{name: getattr(taught, name) for name in own} for taught in classifier.taught],
        "provenance": provenance.attributes(),
    }
    write_tensors(path, tensors, about)


def load_classifier(path: Path | str) -> Classifier:
    """The classifier, its networks in evaluation mode on the CPU. Raises InputError where the file is none of this version."""
    try:
        about, tensors = read_tensors(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable attribute classifier ({error}); get it again, or delete it and run again"
        ) from None
    about = about or {}
    if (about.get("kind"), about.get("version")) != (KIND, VERSION):
        raise InputError(
            f"{path}: is {about.get('kind', 'a safetensors file')!r}, expected an attribute classifier of version {VERSION}; "
            "make it with the rule train_attribute_classifier"
        )
    try:
        taught = [_taught(f"{s}.", item, about["dim"], tensors) for s, item in enumerate(about["taught"])]
        known = {
            name.removeprefix("known."): value.numpy() for name, value in tensors.items() if name.startswith("known.")
        }
        return Classifier(*(about[name] for name in ("names", "embedder", "dim", "wanted")), known, taught)
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a whole attribute classifier ({error})") from None


def _taught(prefix: str, about: dict, dim: int, tensors: dict[str, torch.Tensor]) -> Taught:
    networks = []
    for k in range(FOLDS):
        network = AttributeNetwork(dim, len(about["names"]))
        inner = f"{prefix}{k}."
        network.load_state_dict({n.removeprefix(inner): t for n, t in tensors.items() if n.startswith(inner)})
        networks.append(network.eval())
    digests, folds = (tensors[f"{prefix}{name}"].numpy() for name in ("digests", "folds"))
    return Taught(**about, digests=digests, folds=folds, networks=networks)


def write_card(path: Path | str, classifier: Classifier) -> None:
    """A model card in Markdown: what it was taught, by whose embeddings, and what it is worth on people it has not seen."""
    lines = [
        "# Attribute classifier",
        "",
        f"Terhörst et al.'s classifier (MAAD-Face, IEEE TIFS 2021) on embeddings of {classifier.dim} values by the "
        f"embedder `{classifier.embedder[:16]}` (digest of its weights). What it says is a predicted appearance, not a fact "
        "about a person.",
        "",
        "| taught by | licence | images | identities | attributes |",
        "|---|---|---|---|---|",
    ]
    for taught in classifier.taught:
        people = f"{taught.identities:,}" if taught.identities else "none: split by image, so accuracies may flatter"
        lines.append(
            f"| {taught.faceset} | {taught.licence or 'not stated'} | {taught.images:,} | {people} | {len(taught.names)} |"
        )
    lines += [
        "",
        "Held out by identity, five folds. Kept: labels so reliable that, on the other folds, balanced accuracy was "
        f"{100 * classifier.wanted:g} %.",
        "",
        "| attribute | present | absent | balanced accuracy | kept | of those, balanced accuracy |",
        "|---|---|---|---|---|---|",
    ]
    known = classifier.known
    for a, name in enumerate(classifier.names):
        seen = [
            f"{100 * known[key][a]:.1f} %" if np.isfinite(known[key][a]) else "not seen"
            for key in ("accuracy", "kept", "reliable_accuracy")
        ]
        lines.append(f"| {name} | {int(known['present'][a]):,} | {int(known['absent'][a]):,} | {' | '.join(seen)} |")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")

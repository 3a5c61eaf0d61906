"""Attributes of every image of any face set, by a classifier: an artifact, and a CSV in MAAD-Face's layout."""

import csv
from pathlib import Path

import numpy as np
import torch

from semihard.attributes.classifier_file import Classifier, load_classifier
from semihard.attributes.reliability import ROWS, Answers, reliability
from semihard.attributes.settings import Annotation
from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.similarity.embedding_pairs import embedder_of_all, identity_of_each, open_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact, open_artifact
from semihard.storage.atomic import atomic_path
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

BLOCK = 8192  # images read, and written, at once
ASKED = ("phi", "m")  # columns of a face set that a study looks along


def annotate_attributes(
    settings: Annotation,
    classifier_path: Path | str,
    faces: Path | str,
    embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the artifact "attributes" of `faces`, image by image, block by block: memory does not grow with the set.

    A label is −1 where the classifier is not sure of it: as `settings.confidence` says, below the attribute's least
    reliability (Terhörst et al., BTAS 2019) or below `settings.least_probability`; an attribute that no threshold made
    good on held-out people is undefined everywhere. An image that the classifier was taught, in whichever set it is now, is
    annotated by the network that was not told its labels: a classifier is surer of faces it knows, and a real set must not
    gain by that. Raises InputError where the file is no classifier, or was taught embeddings of another embedder.
    """
    classifier = load_classifier(classifier_path)
    annotated = FaceSet(faces)
    by = embedder_of_all([embeddings])
    if by != classifier.embedder:
        raise InputError(
            f"{embeddings}: by the embedder {by[:12] or 'not stated'}, {classifier_path} was taught embeddings by "
            f"{classifier.embedder[:12]}; use one embedder"
        )
    known, names = classifier.known, classifier.names
    by_reliability = settings.confidence == "reliability"
    least = known["threshold"] if by_reliability else np.full(len(names), settings.least_probability)
    answer = _OfEach(classifier, annotated, by_reliability)
    temperature = torch.from_numpy(known["temperature"])
    of_kept = "reliable_" if by_reliability else ""
    told = {"accuracy": "accuracy", "kept_accuracy": "reliable_accuracy"}
    told |= {name: f"{of_kept}{name}" for name in ("sensitivity", "specificity")}
    attrs = {
        "classifier": Path(classifier_path).parent.name,
        "confidence": settings.confidence,
        "faceset": annotated.path.stem,
        "embedder": by,
    }
    shape = (len(annotated), len(names))
    with (
        open_embeddings(embeddings, len(annotated)) as h5,
        create_artifact(output, schemas.ATTRIBUTES, provenance, attrs) as writer,
        progress(f"attributes of {annotated.path.stem}", len(annotated), "images") as advance,
    ):
        datasets = {key: writer.create(key, shape) for key in ("label", "probability", "reliability")}
        for rows in annotated.blocks(BLOCK):
            unit = torch.nn.functional.normalize(torch.from_numpy(h5["embedding"][rows]))
            logits, sure = answer(unit, rows)
            probability = torch.sigmoid(logits / temperature).numpy()
            label = (logits > 0).numpy().astype(np.int8)
            sure = sure.numpy() if by_reliability else np.maximum(probability, 1 - probability)
            label[~(sure >= least)] = -1  # also where no threshold is known
            for key, values in (("label", label), ("probability", probability), ("reliability", sure)):
                datasets[key][rows] = values
            advance(rows.stop - rows.start)
        writer.write("name", names)
        writer.write("own", annotated.is_own())
        writer.write("identity", identity_of_each(annotated))
        for key, name in told.items():
            writer.write(key, known[name])
        for column in ASKED:
            if column in annotated.column_names:
                writer.write(f"columns/{column}", annotated.column(column))


class _OfEach:
    """Logits and reliability of a block: from each labelled set's network its own attributes, and of a face that it was
    taught, by the one network that was not."""

    def __init__(self, classifier: Classifier, annotated: FaceSet, by_reliability: bool):
        self.classifier, self.device = classifier, best_device()
        digests = annotated.digests()
        self.fold = []
        for taught in classifier.taught:
            place = np.searchsorted(taught.digests, digests).clip(max=len(taught.digests) - 1)
            self.fold.append(np.where(taught.digests[place] == digests, taught.folds[place], 0))
        self.by_reliability = by_reliability
        self.answers: dict[tuple[int, int], Answers] = {}
        self.columns = [
            torch.tensor([classifier.names.index(name) for name in taught.names]) for taught in classifier.taught
        ]

    @torch.no_grad()
    def __call__(self, unit: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.empty(len(unit), len(self.classifier.names))
        sure = torch.empty_like(logits)
        for s, taught in enumerate(self.classifier.taught):
            fold = self.fold[s][rows]
            for k in np.unique(fold).tolist():
                if (s, k) not in self.answers:
                    self.answers[s, k] = Answers(taught.networks[k].to(self.device))
                answer = self.answers[s, k]
                for part in torch.from_numpy(np.flatnonzero(fold == k)).split(ROWS):
                    block = unit[part].to(self.device)
                    found = answer(block)
                    place = (part[:, None], self.columns[s])
                    logits[place] = found.cpu()
                    if self.by_reliability:
                        sure[place] = reliability(answer.passes(block), found > 0).cpu()
        return logits, sure


def export_attributes(attributes: Path | str, faces: Path | str, output: Path | str) -> None:
    """Write a CSV in MAAD-Face's layout: Filename, Identity, then 1 present, −1 absent, 0 undefined per attribute.

    Filename is the image's key in its source where it has one, else its number; Identity is empty where unlabelled. Copies of
    inquiries, which are other people's photographs, are left out.
    """
    images = FaceSet(faces)
    keys = images.column("source_key") if "source_key" in images.column_names else np.arange(len(images)).astype(str)
    names = np.array([*images.identity_names, ""], object)
    own = images.is_own()
    with (
        open_artifact(attributes, schemas.ATTRIBUTES) as h5,
        atomic_path(output) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        if len(h5["label"]) != len(images):
            raise InputError(
                f"{attributes}: of {len(h5['label'])} images, {faces} has {len(images)}; annotate that set again"
            )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Filename", "Identity", *h5["name"].asstr()[:]])
        coded = np.array([0, -1, 1], np.int8)  # by label + 1: undefined, absent, present
        for rows in images.blocks(BLOCK):
            label = coded[h5["label"][rows].astype(np.int64) + 1]
            columns = np.column_stack([keys[rows], names[images.identity[rows]], label])[own[rows]]
            writer.writerows(columns.tolist())

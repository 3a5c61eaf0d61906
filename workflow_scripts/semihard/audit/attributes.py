"""The attribute classifier (MAC): a multi-branch MLP on face embeddings that annotates a face set.

Network and balanced loss: Terhörst et al., MAAD-Face (IEEE TIFS 2021); its use to compare real and synthetic sets:
Neto et al. (FG 2024). Their code puts a softmax before the cross-entropy; here the loss takes logits.

Identities (an unlabelled image counts as one) are dealt into five folds, and five classifiers are trained, each without
one fold; on the first fold, which the first one was not taught, balanced accuracy is measured and the temperature of each
attribute's probability fitted. Classes are weighted to equal parts, so a probability supposes an even prior.
"""

import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from semihard.audit.settings import AttributeStudy
from semihard.compute.engine import batch_indices
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.recognizer.model_file import KEY
from semihard.similarity.embedding_pairs import identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.atomic import atomic_path
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
PREFIX = "attribute_"
WIDTH, BRANCH_WIDTH, DROPOUT = 512, 128, 0.5
BATCH, EPOCHS, LEARNING_RATE = 256, 12, 1e-3
FOLDS = 5
WEIGHT_RANGE = (0.1, 10.0)
SEED = 0


class AttributeClassifier(nn.Module):
    """Unit embeddings `[n, D]` → logits of presence `[n, A]`: a shared trunk of two layers, a branch per attribute."""

    def __init__(self, embedding_dim: int, attributes: int):
        super().__init__()

        def layer(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs), nn.Dropout(DROPOUT)]

        self.hidden = nn.Sequential(
            *layer(embedding_dim, WIDTH), *layer(WIDTH, WIDTH), *layer(WIDTH, attributes * BRANCH_WIDTH)
        )
        self.logits = nn.Conv1d(attributes * BRANCH_WIDTH, attributes, 1, groups=attributes)  # all branches at once

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        weight = self.logits.weight[:, :, 0]  # written out: a convolution of one position is slow
        return (self.hidden(unit).unflatten(1, weight.shape) * weight).sum(2) + self.logits.bias


def train_attribute_classifier(
    labelled_faces: Path | str,
    labelled_embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Train the classifier on the labelled set, once for all sets that it annotates; write it as a safetensors file.

    The labelled set has a column `attribute_<Name>` per attribute: 1 present, 0 absent, −1 undefined. On a CPU always, the file
    is a function of the data alone. An attribute that is never present or never absent in the training faces is not
    learnt, and is named in the log.

    Raises InputError where the labelled set has no attribute column, a value other than those three, or nothing to learn.
    """
    taught = FaceSet(labelled_faces)
    names, truth = _read_labels(taught)
    unit = unit_embeddings(labelled_embeddings, taught)
    fold = _folds(identity_of_each(taught))
    learnt = ((truth[fold > 0] == 1).any(0) & (truth[fold > 0] == 0).any(0)).numpy()
    for name in np.array(names)[~learnt]:
        log.warning("attribute %s is present in none or all of the training faces: left undefined", name)
    if not learnt.any():
        raise InputError(f"{labelled_faces}: no attribute is present in some faces and absent in others; label more")
    classifiers = [_train(unit[fold != k], truth[fold != k]) for k in range(FOLDS)]
    logits, target = _predict(classifiers[0], unit[fold == 0]), truth[fold == 0]
    accuracy = balanced_accuracy(logits.numpy() > 0, target.numpy())
    log.info("attributes: mean balanced accuracy %.3f on held-out identities", np.nanmean(accuracy))
    accuracy[~learnt] = np.nan
    tensors = {f"{k}.{name}": value for k in range(FOLDS) for name, value in classifiers[k].state_dict().items()}
    tensors |= {"temperature": _fit_temperature(logits, target), "held_out_accuracy": torch.from_numpy(accuracy)}
    about = {"kind": "attribute_classifier", "names": names, "provenance": provenance.attributes()}
    with atomic_path(output) as temporary:
        save_file(tensors, temporary, {KEY: json.dumps(about)})


def annotate_attributes(
    settings: AttributeStudy,
    classifier_path: Path | str,
    labelled_faces: Path | str,
    faces: Path | str,
    embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the artifact "attributes" of `faces`, by the classifier of `train_attribute_classifier`.

    Where the predicted side has a probability below `settings.reliability`, the label is −1. Faces of the labelled set
    itself are annotated by five classifiers, each on the fifth of identities it was not taught: a classifier is surer of
    faces it knows, and a real set must not gain by that. Attributes that were not learnt stay undefined.
    Raises InputError where the file is no classifier, or was taught embeddings of another length.
    """
    names, tensors = _read_classifier(classifier_path)
    annotated = FaceSet(faces)
    unit = unit_embeddings(embeddings, annotated)
    length = tensors["0.hidden.0.weight"].shape[1]
    if unit.shape[1] != length:
        raise InputError(
            f"{embeddings}: embeddings of length {unit.shape[1]}, {classifier_path} was taught {length}; use one embedder"
        )
    raw = torch.empty(len(unit), len(names))
    known = Path(faces).samefile(labelled_faces)  # never annotate a face with a classifier that was told its labels
    fold = _folds(identity_of_each(annotated)) if known else np.zeros(len(unit), np.int64)
    for k in np.unique(fold):
        classifier = AttributeClassifier(length, len(names))
        prefix = f"{k}."
        classifier.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        raw[fold == k] = _predict(classifier.eval(), unit[fold == k])
    accuracy = tensors["held_out_accuracy"].numpy()
    probability = torch.sigmoid(raw / tensors["temperature"]).numpy()
    label = (probability > 0.5).astype(np.int8)
    label[np.maximum(probability, 1 - probability) < settings.reliability] = -1
    unlearnt = np.isnan(accuracy)
    label[:, unlearnt], probability[:, unlearnt] = -1, np.nan
    data = {"name": names, "label": label, "probability": probability, "held_out_accuracy": accuracy}
    data["own"] = annotated.is_own()
    attrs = {"labelled": Path(labelled_faces).stem, "reliability": settings.reliability}
    write_artifact(output, schemas.ATTRIBUTES, data, provenance, attrs)


def _read_classifier(path: Path | str) -> tuple[list[str], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable attribute classifier ({error})") from None
    if about.get("kind") != "attribute_classifier":
        raise InputError(f"{path}: is no attribute classifier; make it with the rule train_attribute_classifier")
    return about["names"], tensors


def balanced_accuracy(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean of true positive and true negative rate per attribute, float64 `[A]`; NaN where `truth` lacks a side.

    predicted: bool `[N, A]`; truth: `[N, A]` of 1, 0, −1 (left out).
    """
    with np.errstate(invalid="ignore"):
        true_positives = (predicted & (truth == 1)).sum(0) / (truth == 1).sum(0)
        refused = (~predicted & (truth == 0)).sum(0) / (truth == 0).sum(0)
    return (true_positives + refused) / 2


def _read_labels(taught: FaceSet) -> tuple[list[str], torch.Tensor]:
    columns = [name for name in taught.column_names if name.startswith(PREFIX)]
    if not columns:
        raise InputError(f"{taught.path}: has no column {PREFIX}<Name>; the attribute study needs attribute labels")
    for column in columns:
        if not np.isin(taught.column(column), (-1, 0, 1)).all():
            raise InputError(f"{taught.path}: column {column} has values other than 1 present, 0 absent, -1 undefined")
    truth = np.stack([taught.column(column).astype(np.int8) for column in columns], 1)
    return [column.removeprefix(PREFIX) for column in columns], torch.from_numpy(truth)


def _folds(identity: np.ndarray) -> np.ndarray:
    """Fold 0 … 4 of each image, int64 `[N]`: identities dealt at random, all images of one to the same fold."""
    people, of = np.unique(identity, return_inverse=True)
    return (np.random.default_rng(SEED).permutation(len(people)) % FOLDS)[of]


def _class_weights(truth: torch.Tensor) -> torch.Tensor:
    """Weight of each label `[N, A]`: its class counts half of its attribute's defined labels; 0 where undefined."""
    defined = (truth >= 0).sum(0)
    present, absent = ((defined / (2 * (truth == side).sum(0))).clamp(*WEIGHT_RANGE) for side in (1, 0))
    return torch.where(truth == 1, present, torch.where(truth == 0, absent, 0.0))


def _train(unit: torch.Tensor, truth: torch.Tensor) -> AttributeClassifier:
    torch.manual_seed(SEED)
    classifier = AttributeClassifier(unit.shape[1], truth.shape[1]).train()
    optimizer = torch.optim.Adam(classifier.parameters(), LEARNING_RATE, fused=True)
    weight, target = _class_weights(truth), truth.clamp(min=0).float()
    batch = min(BATCH, len(unit))
    steps = EPOCHS * -(-len(unit) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with progress("attribute classifier", steps, "step") as advance:
        for step in range(steps):
            rows = torch.from_numpy(batch_indices(step, batch, len(unit), SEED))
            logits, w = classifier(unit[rows]), weight[rows]
            loss = binary_cross_entropy_with_logits(logits, target[rows], w, reduction="sum")
            loss = loss / w.count_nonzero().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(1)
    return classifier.eval()


@torch.no_grad()
def _predict(classifier: AttributeClassifier, unit: torch.Tensor) -> torch.Tensor:
    return torch.cat([classifier(block) for block in unit.split(8 * BATCH)])


def _fit_temperature(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The divisor of each attribute's logits, `[A]`, of least class-weighted cross-entropy, from a grid of 1/8 … 8."""
    grid = torch.logspace(-3, 3, 61, base=2)
    weight, target = _class_weights(truth), truth.clamp(min=0).float()
    losses = torch.stack(
        [binary_cross_entropy_with_logits(logits / t, target, weight, reduction="none").sum(0) for t in grid]
    )
    return grid[losses.argmin(0)]

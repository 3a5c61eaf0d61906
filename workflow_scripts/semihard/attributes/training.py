"""Training the attribute classifier: cross-fitted on every labelled set, the better set's branch for each attribute.

Identities (an unlabelled image counts as one) are dealt into five folds, and five networks are trained, each without one
fold. What a classifier is worth is told by all five, each on the fold it has not seen.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from semihard.attributes.calibration import fit_temperature, judge
from semihard.attributes.classifier_file import FOLDS, Classifier, Taught, save_classifier, write_card
from semihard.attributes.labels import read_labels
from semihard.attributes.network import AttributeNetwork, class_weights
from semihard.attributes.reliability import ROWS, Answers, reliability
from semihard.attributes.settings import TrainedClassifier
from semihard.compute.device import best_device
from semihard.compute.engine import batch_indices
from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.errors import InputError
from semihard.similarity.embedding_pairs import embedder_of_all, identity_of_each, unit_embeddings
from semihard.storage.checkpoint import Resume, kept_tensor
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
BATCH, LEARNING_RATE = 256, 1e-3  # Adam at 10⁻³ as MAAD-Face's; the rate falls along a half cosine


@dataclass(frozen=True)
class _Lesson:
    """One labelled set: names of its attributes `[A]`, labels int8 `[N, A]`, fold of each image, its networks, and their
    answers to the images they were not taught: logits and reliability, float32 `[N, A]`."""

    faces: FaceSet
    names: list[str]
    truth: torch.Tensor
    fold: np.ndarray
    networks: list[AttributeNetwork]
    logits: torch.Tensor
    reliability: torch.Tensor
    known: dict[str, np.ndarray]


def train_attribute_classifier(
    settings: TrainedClassifier,
    labelled_faces: Sequence[Path | str],
    labelled_embeddings: Sequence[Path | str],
    output: Path | str,
    card: Path | str,
    provenance: Provenance,
) -> None:
    """Train the classifier on the labelled sets and write it with its card; interrupted, the next call goes on with the
    networks that are finished.

    A labelled set has a column `attribute_<Name>` per attribute: 1 present, 0 absent, −1 undefined. On a CPU, the file is a
    function of the data alone. An attribute that is never present or never absent in the networks' training faces is not
    learnt, and is named in the log.

    Raises InputError where a labelled set has no labels or nothing to learn, or embeddings are of several embedders.
    """
    embedder = embedder_of_all(labelled_embeddings)
    resume = Resume(output, provenance, [*labelled_faces, *labelled_embeddings])
    lessons = [
        _learn(settings, FaceSet(faces), embeddings, resume, number)
        for number, (faces, embeddings) in enumerate(zip(labelled_faces, labelled_embeddings, strict=True))
    ]
    names = sorted({name for lesson in lessons for name in lesson.names})
    by = {name: _best(lessons, name) for name in names}
    known = {
        key: np.array([by[name].known[key][by[name].names.index(name)] for name in names]) for key in lessons[0].known
    }
    taught = []
    for lesson in lessons:
        own = [name for name in names if by[name] is lesson]
        if not own:
            log.info("%s: no attribute is seen best by it", lesson.faces.path)
            continue
        columns = torch.tensor([lesson.names.index(name) for name in own])
        taught.append(_taught(lesson, own, [network.cpu().keep(columns) for network in lesson.networks]))
    dim = lessons[0].networks[0].embedding_dim
    classifier = Classifier(names, embedder, dim, settings.accuracy, known, taught)
    log.info("attributes: mean balanced accuracy %.3f on held-out people", known["accuracy"].mean())
    for name in np.array(names)[np.isnan(known["threshold"])]:
        log.warning("attribute %s: no threshold reaches %g on held-out people: undefined", name, settings.accuracy)
    save_classifier(output, classifier, provenance)
    write_card(card, classifier)
    resume.discard()


def _best(lessons: list[_Lesson], name: str) -> _Lesson:
    """The labelled set that teaches an attribute best: of which most labels are kept, then by balanced accuracy."""

    def worth(lesson: _Lesson) -> tuple[float, float]:
        at = lesson.names.index(name)
        return tuple(np.nan_to_num([lesson.known["kept"][at], lesson.known["accuracy"][at]]).tolist())

    return max((lesson for lesson in lessons if name in lesson.names), key=worth)


def _taught(lesson: _Lesson, names: list[str], networks: list[AttributeNetwork]) -> Taught:
    digests, first = np.unique(lesson.faces.digests(), return_index=True)
    people = len(np.unique(lesson.faces.identity[lesson.faces.identity >= 0]))
    about = (lesson.faces.path.stem, str(lesson.faces.attrs["licence"]), len(lesson.faces), people)
    return Taught(*about, names, digests, lesson.fold[first].astype(np.uint8), networks)


def _learn(settings: TrainedClassifier, faces: FaceSet, embeddings: Path | str, resume: Resume, number: int) -> _Lesson:
    names, truth = read_labels(faces, settings.exclude)
    unit = unit_embeddings(embeddings, faces)
    if not (faces.identity >= 0).any():
        log.warning(
            "%s: has no identities: one image is taken for one person, and held-out accuracies may flatter", faces.path
        )
    fold = folds(identity_of_each(faces), settings.seed)
    learnt = np.ones(len(names), bool)
    for k in range(FOLDS):
        part = truth[torch.from_numpy(fold != k)]
        learnt &= ((part == 1).any(0) & (part == 0).any(0)).numpy()
    for name in np.array(names)[~learnt]:
        log.warning("%s: attribute %s is present in none or all of the training faces: not learnt", faces.path, name)
    if not learnt.any():
        raise InputError(f"{faces.path}: no attribute is present in some faces and absent in others; label more")
    names, truth = list(np.array(names)[learnt]), truth[:, torch.from_numpy(learnt)]
    device = best_device()
    logits = torch.empty(truth.shape)
    sure = torch.empty(truth.shape)
    networks = []
    with progress(f"attribute classifier on {faces.path.stem}", FOLDS, "network") as advance:
        for k in range(FOLDS):
            taught = torch.from_numpy(fold != k)
            network = AttributeNetwork(unit.shape[1], len(names))
            _finished(
                network, resume.directory / f"{number}-{k}.safetensors",
                lambda network=network, taught=taught: train(network, unit[taught], truth[taught], settings, device),
            )  # fmt: skip
            rows = torch.from_numpy(fold == k)
            logits[rows], sure[rows] = answers(network.to(device).eval(), unit[rows])
            networks.append(network)
            advance(1)
    known = judge(logits.numpy(), sure.numpy(), truth.numpy(), fold, settings.accuracy)
    known["temperature"] = fit_temperature(logits, truth).numpy()
    return _Lesson(faces, [str(name) for name in names], truth, fold, networks, logits, sure, known)


def _finished(network: AttributeNetwork, path: Path, make: Callable[[], None]) -> None:
    """The weights of `network` as `make` trains them, or as an interrupted run left them in `path`."""

    def trained() -> torch.Tensor:
        make()
        return torch.cat([value.detach().cpu().double().flatten() for value in network.state_dict().values()])

    flat = kept_tensor(path, "network", trained, write=True)
    at, state = 0, {}
    for name, value in network.state_dict().items():
        state[name] = flat[at : at + value.numel()].view(value.shape).to(value.dtype)
        at += value.numel()
    network.load_state_dict(state)


def folds(identity: np.ndarray, seed: int = 0) -> np.ndarray:
    """Fold 0 … 4 of each image, int64 `[N]`: identities dealt at random, all images of one to the same fold.

    identity: int64 `[N]`, a number of its own where unlabelled.
    """
    people, of = np.unique(identity, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(people)) % FOLDS)[of]


def train(
    network: AttributeNetwork,
    unit: torch.Tensor,
    truth: torch.Tensor,
    settings: TrainedClassifier,
    device: torch.device,
) -> None:
    """Train `network` on unit embeddings `[N, D]` and labels int8 `[N, A]`, on `device`, in place."""
    torch.manual_seed(seed_for(settings.seed, "attribute classifier"))
    network.apply(lambda module: module.reset_parameters() if hasattr(module, "reset_parameters") else None)
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
    unit, weight, target = (part.to(device) for part in (unit, class_weights(truth), truth.clamp(min=0).float()))
    batch = min(BATCH, len(unit))
    steps = settings.epochs * -(-len(unit) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = torch.from_numpy(batch_indices(step, batch, len(unit), settings.seed)).to(device)
        w = weight[rows]
        loss = binary_cross_entropy_with_logits(network(unit[rows]), target[rows], w, reduction="sum")
        loss = loss / w.count_nonzero().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def answers(network: AttributeNetwork, unit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and reliability of a network in evaluation mode to unit embeddings `[n, D]`: float32 `[n, A]` each, on the CPU."""
    device = network.logits.weight.device
    answer = Answers(network)
    logits, sure = [], []
    for block in unit.split(ROWS):
        block = block.to(device)
        logits.append(answer(block))
        sure.append(reliability(answer.passes(block), logits[-1] > 0))
    return torch.cat(logits).cpu(), torch.cat(sure).cpu()

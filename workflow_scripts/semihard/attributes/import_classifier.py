"""An attribute classifier that another study trained becomes one of this study."""

from pathlib import Path

from semihard.attributes.classifier_file import load_classifier, save_classifier, write_card
from semihard.attributes.settings import ClassifierFile
from semihard.errors import InputError
from semihard.recognizer.model_file import weights_digest
from semihard.settings.paths import expand_path
from semihard.storage.provenance import Provenance


def import_attribute_classifier(
    settings: ClassifierFile,
    embedder_path: Path | str,
    output: Path | str,
    card: Path | str,
    provenance: Provenance,
) -> None:
    """Read the classifier in `settings.path` and write it, with its card, as one of this study.

    embedder_path: the model of `settings.embedder`. Raises InputError where the file is no attribute classifier, or was trained
    on embeddings of other weights than these.
    """
    path = expand_path(settings.path)
    classifier = load_classifier(path)
    if (found := weights_digest(embedder_path)) != classifier.embedder:
        raise InputError(
            f"{path}: was trained on embeddings by weights of digest {classifier.embedder[:12]}, the embedder "
            f"{settings.embedder!r} has {found[:12]}; name the embedder it was trained with"
        )
    save_classifier(output, classifier, provenance)
    write_card(card, classifier)

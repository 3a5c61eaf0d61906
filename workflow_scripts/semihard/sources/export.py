"""A face set in the forms that other people's code reads, with its card and the checksums of its files."""

import json
from collections.abc import Mapping
from pathlib import Path

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.settings import registry
from semihard.sources.dataset_card import dataset_card
from semihard.sources.labelled_faces import LabelledFaces
from semihard.storage.atomic import atomic_folder
from semihard.storage.checksum import write_manifest
from semihard.storage.faceset import FaceSet


def export_faces(faces_path: Path | str, folder: Path | str, form: str, audit: Path | str | None = None) -> None:
    """Write `folder` in one of the forms of sources/export_forms, with README.md (the card), about.json (the same for
    programs) and SHA256SUMS (for `sha256sum -c`). It appears under its name when it is complete.

    Labelled images only, grouped by label. Encoded images keep their bytes. audit: the JSON of `describe_face_set`, whose
    numbers the card states. Raises InputError where no image is labelled, or the folder holds something.
    """
    labelled = LabelledFaces(FaceSet(faces_path))
    if not len(labelled.order):
        raise InputError(f"{faces_path}: no image is labelled, so there is nothing to export")
    found: Mapping = json.loads(Path(audit).read_text(encoding="utf-8")) if audit else {}
    written_as = registry.load("sources.export_forms", form)
    card = dataset_card(labelled, written_as.READ_BY, found, getattr(written_as, "HUB", ()))
    with atomic_folder(folder) as partial:
        with progress(f"export {form}", len(labelled.order), "images") as advance:
            written_as.write(labelled, partial, advance)
        about = json.dumps(labelled.about(), indent=1, ensure_ascii=False)
        (partial / "about.json").write_text(f"{about}\n", encoding="utf-8")
        (partial / "README.md").write_text(card, encoding="utf-8")
        write_manifest(partial)

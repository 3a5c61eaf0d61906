"""A face set in the forms that other people's code reads.

An image that mixes two identities (SynFace's identity mixup) has two labels and a weight: it lies under the weightier
one, and the other travels in labels.csv, WebDataset's .json and RecordIO's second and third label value. Attribute labels
travel in the former two, and beside RecordIO in attributes.csv by the records' keys: 1 present, 0 absent, -1 undefined; read
again as a face set's `attributes` of the format table. `about.json` says where the faces come from and on what terms.
"""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.sources.attribute_names import COLUMN
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.storage.faceset import COPY, FaceSet
from semihard.storage.pixels import encode_image

IMAGES_PER_TAR = 10_000
TERMS = ("source", "licence", "alignment", "rule", "settings", "code")  # attributes of a face set that travel


def export_faces(faces_path: Path | str, folder: Path | str, form: str) -> None:
    """Write `folder` as "folder" (label/number.jpg and labels.csv), "recordio" (InsightFace's layout) or "webdataset" (tars).

    Labelled images only, grouped by label. Encoded images keep their bytes. Raises InputError where none is labelled.
    """
    labelled = LabelledFaces(FaceSet(faces_path))
    if not len(labelled.order):
        raise InputError(f"{faces_path}: no image is labelled, so there is nothing to export")
    write = {"folder": _write_folder, "recordio": _write_recordio, "webdataset": _write_webdataset}[form]
    with progress(f"export {form}", len(labelled.order), "images") as advance:
        write(labelled, Path(folder), advance)


@dataclass
class LabelledFaces:
    """A face set as labels say it. order: its labelled images by label, int64; suffix: of their encoded bytes."""

    faces: FaceSet

    def __post_init__(self):
        faces = self.faces
        self.names = [*faces.identity_names, ""]
        self.label, self.other = faces.identity.astype(np.int64), np.full(len(faces), -1)
        self.weight = np.ones(len(faces))
        self.is_mixed = {"partner", "phi"} <= set(faces.column_names)
        if self.is_mixed:
            partner, phi = faces.column("partner").astype(np.int64), faces.column("phi").astype(np.float64)
            second = (partner >= 0) & (phi < 0.5)  # the partner is the weightier one
            self.other = np.where(second, self.label, partner)
            self.label = np.where(second, partner, self.label)
            self.weight = np.where(partner < 0, 1, np.where(second, 1 - phi, phi))
        self.copy = faces.column(COPY) if COPY in faces.column_names else None
        self.attributes = {name: faces.column(name) for name in faces.column_names if name.startswith(COLUMN)}
        order = np.argsort(self.label, kind="stable")
        self.order = order[self.label[order] >= 0]
        self.suffix = {"jpeg": "jpg", "png": "png", "raw": "png"}[faces.codec]

    def encoded(self, i: int) -> bytes:
        """Image `i`; pixels stored as they are become a PNG."""
        return encode_image(self.faces.images([i])[0], "png") if self.faces.codec == "raw" else self.faces.encoded(i)

    def labels(self, i: int) -> dict[str, object]:
        """What is said of image `i`, by name; the same names for every image of a set."""
        said: dict[str, object] = {"label": int(self.label[i]), "identity": self.names[self.label[i]]}
        if self.is_mixed:
            said |= {"weight": round(float(self.weight[i]), 6), "other_label": int(self.other[i])}
            said |= {"other_identity": self.names[self.other[i]]}
        if self.copy is not None:
            said[COPY] = int(self.copy[i])
        return said | self.attributes_of(i)

    def attributes_of(self, i: int) -> dict[str, int]:
        """The attribute labels of image `i`, by column; the same for every image of a set."""
        return {name: int(values[i]) for name, values in self.attributes.items()}

    def about(self) -> str:
        """Where the faces come from and on what terms, as JSON."""
        faces = self.faces
        known = {name: str(faces.attrs[name]) for name in TERMS if name in faces.attrs}
        counts = {"images": len(self.order), "identities": len(faces.identity_names), "image_size": faces.image_size}
        return json.dumps(known | counts | {"mixed_labels": self.is_mixed}, indent=1, ensure_ascii=False) + "\n"


def _write_folder(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "about.json").write_text(labelled.about(), encoding="utf-8")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["path", *labelled.labels(labelled.order[0])], lineterminator="\n")
        rows.writeheader()
        for i in labelled.order:
            name = f"{labelled.label[i]:06d}/{i:08d}.{labelled.suffix}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(labelled.encoded(i))
            rows.writerow({"path": name} | labelled.labels(i))
            advance(1)


def _write_recordio(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    names = labelled.faces.identity_names
    with RecordIOWriter(folder, labelled.faces.image_size, names) as writer:
        (writer.partial / "about.json").write_text(labelled.about(), encoding="utf-8")
        if labelled.attributes:
            with (writer.partial / "attributes.csv").open("w", encoding="utf-8", newline="") as file:
                rows = csv.DictWriter(file, ["key", *labelled.attributes], lineterminator="\n")
                rows.writeheader()
                rows.writerows(
                    {"key": writer.key + number} | labelled.attributes_of(i) for number, i in enumerate(labelled.order)
                )
        for i in labelled.order:
            more = (labelled.other[i], labelled.weight[i]) if labelled.other[i] >= 0 else ()
            writer.add(labelled.encoded(i), names[labelled.label[i]], more)
            advance(1)


def _write_webdataset(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "about.json").write_text(labelled.about(), encoding="utf-8")
    for number, start in enumerate(range(0, len(labelled.order), IMAGES_PER_TAR)):
        with tarfile.open(folder / f"{number:06d}.tar", "w") as tar:
            for i in labelled.order[start : start + IMAGES_PER_TAR]:
                said = json.dumps(labelled.labels(i), ensure_ascii=False)
                parts = {
                    labelled.suffix: labelled.encoded(i),
                    "cls": str(labelled.label[i]).encode(),
                    "json": said.encode(),
                }
                for ending, content in parts.items():
                    member = tarfile.TarInfo(f"{i:08d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                advance(1)

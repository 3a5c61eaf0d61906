"""A face set in the forms that other people's code reads."""

import io
import tarfile
from pathlib import Path

import numpy as np

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.storage.faceset import FaceSet
from semihard.storage.pixels import encode_image

IMAGES_PER_TAR = 10_000


def export_faces(faces_path: Path | str, folder: Path | str, form: str) -> None:
    """Write `folder` as "folder" (identity/number.jpg and labels.csv), "recordio" (InsightFace's layout) or "webdataset" (tars).

    Labelled images only, grouped by identity. Encoded images keep their bytes. Raises InputError where none is labelled.
    """
    faces = FaceSet(faces_path)
    order = np.argsort(faces.identity, kind="stable")
    order = order[faces.identity[order] >= 0]
    if not len(order):
        raise InputError(f"{faces_path}: no image is labelled, so there is nothing to export")
    suffix = {"jpeg": "jpg", "png": "png", "raw": "png"}[faces.codec]
    write = {"folder": _write_folder, "recordio": _write_recordio, "webdataset": _write_webdataset}[form]
    with progress(f"export {form}", len(order), "images") as advance:
        write(faces, order, Path(folder), suffix, advance)


def _encoded(faces: FaceSet, i: int) -> bytes:
    return encode_image(faces.images([i])[0], "png") if faces.codec == "raw" else faces.encoded(i)


def _write_folder(faces: FaceSet, order: np.ndarray, folder: Path, suffix: str, advance) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w") as labels:
        labels.write("path,label,identity\n")
        for i in order:
            label = faces.identity[i]
            name = f"{label:06d}/{i:08d}.{suffix}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(_encoded(faces, i))
            labels.write(f"{name},{label},{faces.identity_names[label]}\n")
            advance(1)


def _write_recordio(faces: FaceSet, order: np.ndarray, folder: Path, suffix: str, advance) -> None:
    with RecordIOWriter(folder, faces.image_size) as writer:
        for i in order:
            writer.add(_encoded(faces, i), faces.identity_names[faces.identity[i]])
            advance(1)


def _write_webdataset(faces: FaceSet, order: np.ndarray, folder: Path, suffix: str, advance) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(order), IMAGES_PER_TAR)):
        with tarfile.open(folder / f"{number:06d}.tar", "w") as tar:
            for i in order[start : start + IMAGES_PER_TAR]:
                parts = {suffix: _encoded(faces, i), "cls": str(faces.identity[i]).encode()}
                for ending, content in parts.items():
                    member = tarfile.TarInfo(f"{i:08d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                advance(1)

"""Several face sets as one."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.sources.attribute_names import COLUMN
from semihard.storage.faceset import COPY, ROWS_PER_CHUNK, FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
ABSENT = {"partner": np.int32(-1), "phi": np.float32(1), COPY: np.int8(0)}  # what an image without the column has


def unite_faces(paths: Sequence[Path | str], output: Path | str, provenance: Provenance) -> None:
    """Write the face sets one after the other: bytes and names are kept, identities of one name become one.

    Columns that all sets have with one shape and type are kept; attribute labels of some of the sets alone are left out, and
    named in the log. Labels of mixed identities and the mark of copies of inquiries
    are kept where any set has them: others' images have no partner, and are no copies. The licences and alignments are all
    named. Raises InputError where the images are of different sizes or codecs.
    """
    sets = [FaceSet(path) for path in paths]
    first = sets[0]
    for faces in sets[1:]:
        if (faces.image_size, faces.codec) != (first.image_size, first.codec):
            raise InputError(
                f"{faces.path}: images of {faces.image_size} pixels, {faces.codec}; {first.path} has {first.image_size}, "
                f"{first.codec}: only face sets of one size and codec can be united"
            )

    def kind(faces: FaceSet, name: str) -> tuple:
        column = faces.column(name)
        return column.dtype.kind, column.shape[1:]

    shared = [name for name in first.column_names if all(name in faces.column_names for faces in sets)]
    shared = [name for name in shared if len({kind(faces, name) for faces in sets}) == 1 and name not in ABSENT]
    labels = {name for faces in sets for name in faces.column_names if name.startswith(COLUMN)}
    if partly := sorted(labels - set(shared)):
        log.warning("%s: %s not in all of the sets, so left out", output, ", ".join(partly))
    completed = [name for name in ABSENT if any(name in faces.column_names for faces in sets)]
    told = ("alignment", "source", "licence")
    attrs = {name: ", ".join(dict.fromkeys(str(faces.attrs[name]) for faces in sets)) for name in told}
    with FaceSetWriter(output, first.image_size, first.codec, provenance, attrs) as writer:
        for faces in sets:
            names = np.array([*faces.identity_names, ""], object)
            writer.classes(faces.identity_names)  # labels in the order of the sets, though a partner may come first
            columns = {name: faces.column(name) for name in shared}
            for name in completed:
                known = name in faces.column_names
                columns[name] = faces.column(name) if known else np.full(len(faces), ABSENT[name])
            if "partner" in columns:  # a class index: it follows its name
                columns["partner"] = writer.classes(names[columns["partner"]])
            for rows in faces.blocks(ROWS_PER_CHUNK):
                images = [faces.encoded(i) for i in range(rows.start, rows.stop)]
                writer.add(
                    images, names[faces.identity[rows]], {name: values[rows] for name, values in columns.items()}
                )

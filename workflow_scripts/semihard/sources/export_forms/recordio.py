"""InsightFace's RecordIO. A mixed label is the record's second and third value; attribute labels are attributes.csv, by the
records' keys: read again as a face set's `attributes` of the format table."""

import csv
from collections.abc import Callable
from pathlib import Path

from semihard.sources.labelled_faces import LabelledFaces
from semihard.sources.recordio_writer import RecordIOWriter

READ_BY = "InsightFace's layout: `train.rec`, `train.idx`, `property`; `identity_names.txt` names the labels in order."


def write(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    """Write `folder`, which is there and empty; `advance` is told of every image."""
    names = labelled.faces.identity_names
    with RecordIOWriter(folder, labelled.faces.image_size, names) as writer:
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

"""Images in folders: label/number.jpg, and labels.csv."""

import csv
from collections.abc import Callable
from pathlib import Path

from semihard.sources.labelled_faces import LabelledFaces

READ_BY = "One folder per label; `labels.csv` has a line per image."


def write(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    """Write `folder`, which is there and empty; `advance` is told of every image."""
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["path", *labelled.labels(labelled.order[0])], lineterminator="\n")
        rows.writeheader()
        for i in labelled.order:
            name = f"{labelled.label[i]:06d}/{i:08d}.{labelled.suffix}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(labelled.encoded(i))
            rows.writerow({"path": name} | labelled.labels(i))
            advance(1)

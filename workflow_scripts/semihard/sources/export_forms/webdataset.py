"""WebDataset: tars of an image, its label (.cls) and all that is said of it (.json)."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from semihard.sources.labelled_faces import LabelledFaces

READ_BY = "`webdataset.WebDataset` reads the tars: the image, `.cls` its label, `.json` all that is said of it."
IMAGES_PER_TAR = 10_000


def write(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    """Write `folder`, which is there and empty; `advance` is told of every image."""
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

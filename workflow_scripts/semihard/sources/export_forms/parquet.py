"""Parquet as Hugging Face's `datasets` reads it: load_dataset(folder) gives images, labels and all that is said of them."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from semihard.sources.labelled_faces import LabelledFaces

READ_BY = "`datasets.load_dataset` reads this folder, or the repository that it is pushed to."
HUB = ("configs:", "- {config_name: default, data_files: data/train-*.parquet}")  # at the head of its card
BYTES_PER_FILE = 500_000_000  # of images; the Hub's advice
ROWS_AT_ONCE = 100  # of a row group: what a reader holds in memory, 100 as `datasets` writes images
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def write(labelled: LabelledFaces, folder: Path, advance: Callable[[int], None]) -> None:
    """Write `folder`, which is there and empty; `advance` is told of every image."""
    schema = schema_of(labelled)
    (folder / "data").mkdir()
    rows = iter(labelled.order)
    for number in itertools.count():
        if (first := next(rows, None)) is None:
            return
        with pq.ParquetWriter(folder / "data" / f"train-{number:05d}.parquet", schema) as file:
            for group in _groups(labelled, itertools.chain([first], rows)):
                file.write_table(pa.Table.from_pylist(group, schema))
                advance(len(group))


def schema_of(labelled: LabelledFaces) -> pa.Schema:
    """Columns and, for `datasets`, what they mean: its own features, as JSON in the metadata."""
    fields, features = [pa.field("image", IMAGE)], {"image": {"_type": "Image"}}
    for name, value in labelled.labels(labelled.order[0]).items():
        kind = {int: "int64", float: "float64", str: "string"}[type(value)]
        fields.append(pa.field(name, getattr(pa, kind)()))
        features[name] = {"dtype": kind, "_type": "Value"}
    features["label"] = {"names": list(labelled.faces.identity_names), "_type": "ClassLabel"}
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})


def _groups(labelled: LabelledFaces, rows: Iterator[int]) -> Iterator[list[dict]]:
    """Row groups until a file is full; what is left in `rows` is the next file's."""
    size, group = 0, []
    for i in rows:
        image = labelled.encoded(i)
        size += len(image)
        group.append({"image": {"bytes": image, "path": f"{i:08d}.{labelled.suffix}"}} | labelled.labels(i))
        if len(group) == ROWS_AT_ONCE or size >= BYTES_PER_FILE:
            yield group
            group = []
        if size >= BYTES_PER_FILE:
            return
    if group:
        yield group

"""Images per second of processor time, in random order, decoded: from a face set and from what people use instead.

One thread, files in the page cache; the last column is the ratio to a folder read with Pillow in the same run.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import lmdb
import msgpack
import numpy as np
from PIL import Image

from semihard.sources.recordio import open_recordio
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.rendered.stream import rendered_faces
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.pixels import decode_image

COUNT, BATCH = 4000, 128
TARGETS = {"face set, raw": 40_000, "face set, JPEG": 5_000}  # images per cpu-second


def rate(read: Callable[[np.ndarray], object], order: np.ndarray) -> float:
    """Images per cpu-second of `read(batch of indices)`."""
    read(order[:BATCH])
    start = time.process_time()
    for begin in range(0, len(order), BATCH):
        read(order[begin : begin + BATCH])
    return len(order) / (time.process_time() - start)


def write_stores(folder: Path) -> None:
    """The same rendered faces in every form; all but the raw ones and HDF5's hold the same JPEG bytes."""
    unique = np.concatenate([batch.images for batch in rendered_faces(20, 10, 0)])
    images = unique[np.arange(COUNT) % len(unique)]
    for codec in ("raw", "jpeg"):
        with FaceSetWriter(folder / f"{codec}.h5", (112, 112), codec) as writer:
            writer.add(images, ["a"] * COUNT)
    jpeg = FaceSet(folder / "jpeg.h5")
    encoded = [jpeg.encoded(i) for i in range(COUNT)]
    with RecordIOWriter(folder / "recordio") as records:
        for blob in encoded:
            records.add(blob, "a")
    with (
        lmdb.open(str(folder / "faces.lmdb"), subdir=False, map_size=2**30) as environment,
        environment.begin(write=True) as transaction,
    ):
        for i, blob in enumerate(encoded):
            transaction.put(b"%d" % i, msgpack.packb((blob, 0)))
    for i, blob in enumerate(encoded):
        (folder / f"{i}.jpg").write_bytes(blob)
    with h5py.File(folder / "chunked.h5", "w") as h5:
        h5.create_dataset("images", data=images, chunks=(1, 112, 112, 3))


def main() -> None:
    """Print the table."""
    order = np.random.default_rng(0).permutation(COUNT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_stores(folder)
        records = open_recordio(folder / "recordio")
        with (
            h5py.File(folder / "chunked.h5") as h5,
            lmdb.open(str(folder / "faces.lmdb"), subdir=False, readonly=True, lock=False) as environment,
            environment.begin() as transaction,
        ):
            stores = {
                "face set, raw": FaceSet(folder / "raw.h5").images,
                "face set, JPEG": FaceSet(folder / "jpeg.h5").images,
                "RecordIO, decoded": lambda rows: [records.decode(row)[1] for row in records.images[rows]],
                "LMDB, decoded": lambda rows: [
                    decode_image(msgpack.unpackb(transaction.get(b"%d" % row))[0]) for row in rows
                ],
                "folder of JPEGs, Pillow": lambda rows: [np.asarray(Image.open(folder / f"{i}.jpg")) for i in rows],
                "HDF5 rows, one by one": lambda rows: [h5["images"][i] for i in rows],
            }
            rates = {name: rate(read, order) for name, read in stores.items()}
            rates["HDF5 rows, fancy index"] = rate(lambda rows: h5["images"][np.sort(rows)], order[: 4 * BATCH])
    slowest = rates["folder of JPEGs, Pillow"]
    print(f"{'store':28}{'images/cpu-s':>14}{'× folder':>10}{'target':>10}")
    for name, value in rates.items():
        target = f"{TARGETS[name]:10,}" if name in TARGETS else ""
        print(f"{name:28}{value:14,.0f}{value / slowest:10.2f}{target}")


if __name__ == "__main__":
    main()

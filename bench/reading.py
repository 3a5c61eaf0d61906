"""Images per second of processor time, in random order, decoded: from a face set and from what people use instead."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from semihard.faceset import FaceSet, FaceSetWriter
from semihard.sources.rendered import rendered_faces

COUNT, BATCH = 4000, 128


def rate(read: Callable[[np.ndarray], object], order: np.ndarray) -> float:
    """Images per cpu-second of `read(batch of indices)`."""
    read(order[:BATCH])
    start = time.process_time()
    for rows in range(0, len(order), BATCH):
        read(order[rows : rows + BATCH])
    return len(order) / (time.process_time() - start)


def main() -> None:
    """Print the table."""
    unique = np.concatenate([batch.images for batch in rendered_faces(20, 10, 0)])
    images = unique[np.arange(COUNT) % len(unique)]
    order = np.random.default_rng(0).permutation(COUNT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for codec in ("raw", "jpeg"):
            with FaceSetWriter(folder / f"{codec}.h5", (112, 112), codec) as writer:
                writer.add(images, ["a"] * COUNT)
        jpeg = FaceSet(folder / "jpeg.h5")
        for i in range(COUNT):
            (folder / f"{i}.jpg").write_bytes(jpeg.encoded(i))
        with h5py.File(folder / "chunked.h5", "w") as h5:
            h5.create_dataset("images", data=images, chunks=(1, 112, 112, 3))
        with h5py.File(folder / "chunked.h5") as h5:
            stores = {
                "face set, raw": FaceSet(folder / "raw.h5").images,
                "face set, JPEG": jpeg.images,
                "folder of JPEGs, Pillow": lambda rows: [np.asarray(Image.open(folder / f"{i}.jpg")) for i in rows],
                "HDF5 rows, one by one": lambda rows: [h5["images"][i] for i in rows],
            }
            rates = {name: rate(read, order) for name, read in stores.items()}
            rates["HDF5 rows, fancy index"] = rate(lambda rows: h5["images"][np.sort(rows)], order[: 4 * BATCH])
    slowest = rates["folder of JPEGs, Pillow"]
    print(f"{'store':28}{'images/cpu-s':>14}{'× folder':>10}")
    for name, value in rates.items():
        print(f"{name:28}{value:14,.0f}{value / slowest:10.2f}")


if __name__ == "__main__":
    main()

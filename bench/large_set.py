"""Every stage that walks over a whole face set, at CASIA-WebFace's size and at a tenth of it: time and peak memory of each, in
a process of its own, and how both grow. Pixels are tiny (16 × 16): what is measured is what grows with the number of images.
Memory is what the process has allocated (RssAnon, looked at every 20 ms), without the pages of the face set that are mapped.

    python bench/large_set.py [FOLDER]   # 490,000 images of 10,572 people; about six minutes and 3 GB of disk
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from semihard.compute.decoded_images import DecodedImages
from semihard.compute.engine import batch_indices
from semihard.generator.gathering import gather_shards
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.recognizer.training_set import read_targets
from semihard.similarity.bins import bin_similarity, extract_bin
from semihard.similarity.centers import find_identity_centers
from semihard.similarity.embedding import embed_faces
from semihard.sources.benchmark_bin import write_bin
from semihard.sources.importing import import_benchmark, import_faces
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.settings import BinBenchmark, RecordIOFaces
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance
from semihard.verification.model import verify_faces

IMAGES, PEOPLE, SYNTHETIC, SIDE, BATCH = 490_000, 10_572, 500_000, 16, 512
PAIRS = {"lfw": 6000, "cfp_fp": 7000, "agedb_30": 6000, "calfw": 6000, "cplfw": 6000}
SHARDS = 8


def blobs() -> list[bytes]:
    """Some distinct JPEGs."""
    random = np.random.default_rng(0)
    images = random.integers(60, 196, (200, SIDE, SIDE, 3)) + np.array([40, 0, -40])  # redder than blue, as skin is
    return [encode_image(image.astype(np.uint8), "jpeg") for image in images]


def prepare(folder: Path, part: int) -> None:
    """The files that come from outside, and the shards that a generator would leave, of a `part`-th of the size."""
    images, people = blobs(), PEOPLE // part
    with RecordIOWriter(folder / "rec", (SIDE, SIDE)) as writer:
        of = np.sort(
            np.random.default_rng(1).integers(0, people, IMAGES // part - people).tolist() + list(range(people))
        )
        for i, person in enumerate(of.tolist()):
            writer.add(images[i % 200], f"{person:05d}")
    for name, pairs in PAIRS.items():
        count = pairs // part
        distinct = [
            images[i % 200] + i.to_bytes(4) for i in range(2 * count)
        ]  # an image that comes twice is stored once
        write_bin(folder / f"{name}.bin", distinct, [True, False] * (count // 2))
    torch.manual_seed(0)
    spec = EmbedderSpec(backbone="tiny", image_size=(SIDE, SIDE), embedding_dim=128)
    save_model(folder / "model.safetensors", build_backbone("tiny", (SIDE, SIDE), 128), spec)
    each = SYNTHETIC // part // SHARDS
    for shard in range(SHARDS):
        with FaceSetWriter(folder / f"shard{shard}.h5", (SIDE, SIDE)) as writer:
            for start in range(0, each, 1000):
                rows = range(start, min(start + 1000, each))
                names = [f"{(shard * each + row) // 50:05d}" for row in rows]
                writer.add([images[row % 200] for row in rows], names, {"similarity": np.zeros(len(rows), np.float32)})


def import_(folder: Path) -> None:
    """RecordIO → face set."""
    import_faces(RecordIOFaces(source="recordio", path=str(folder / "rec")), folder / "faces.h5", Provenance())


def embed(folder: Path) -> None:
    """Face set → embeddings."""
    embed_faces(folder / "faces.h5", folder / "model.safetensors", folder / "embeddings.h5")


def centers(folder: Path) -> None:
    """Embeddings → mean centers."""
    find_identity_centers(
        folder / "faces.h5", folder / "embeddings.h5", "mean", None, folder / "centers.h5", Provenance()
    )


def bins(folder: Path) -> None:
    """Centers → quintiles, and one of them as a face set."""
    bin_similarity(folder / "centers.h5", folder / "faces.h5", "quantile-5", folder / "bins.h5", Provenance())
    extract_bin(folder / "faces.h5", folder / "bins.h5", folder / "centers.h5", 0, folder / "bin0.h5", Provenance())


def epoch(folder: Path) -> None:
    """Decode once, then an epoch's batches and their labels."""
    faces = FaceSet(folder / "faces.h5")
    label, weight = read_targets(faces)
    images = DecodedImages(faces, (SIDE, SIDE), torch.device("cpu"))
    seen = 0
    for step in range(len(faces) // BATCH):
        rows = torch.from_numpy(batch_indices(step, BATCH, len(faces), 0))
        seen += len(images[rows]) + len(label[rows]) - len(weight[rows])
    assert seen == len(faces) // BATCH * BATCH


def gather(folder: Path) -> None:
    """Shards → one synthetic face set."""
    gather_shards([folder / f"shard{n}.h5" for n in range(SHARDS)], folder / "synthetic.h5", Provenance())


def verify(folder: Path) -> None:
    """Five benchmarks: import, embed, ten folds."""
    for name in PAIRS:
        faces, pairs = folder / f"{name}.h5", folder / f"{name}-pairs.h5"
        import_benchmark(BinBenchmark(source="bin", path=str(folder / f"{name}.bin")), faces, pairs, Provenance())
        verify_faces(faces, pairs, folder / "model.safetensors", folder / f"{name}-result.h5")


STAGES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda folder: None,
    "import": import_,
    "embed": embed,
    "centers": centers,
    "bins": bins,
    "an epoch of batches": epoch,
    "gather": gather,
    "five benchmarks": verify,
}


def measure(name: str, folder: Path) -> tuple[float, float]:
    """Seconds and MB of a stage in a process of its own, imports included."""
    began, most = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, __file__, "--stage", name, str(folder)])
    while process.poll() is None:
        with contextlib.suppress(OSError):  # it ended a moment ago
            status = Path(f"/proc/{process.pid}/status").read_text()
            most = max([most, *map(int, re.findall(r"RssAnon:\s+(\d+)", status))])
        time.sleep(0.02)
    assert process.returncode == 0, name
    return time.perf_counter() - began, most / 1024


def main(folder: Path) -> None:
    """Print the table."""
    numbers: dict[str, list[tuple[float, float]]] = {}
    for part in (10, 1):
        (folder / str(part)).mkdir()
        prepare(folder / str(part), part)
        for name in STAGES:
            numbers.setdefault(name, []).append(measure(name, folder / str(part)))
    print(f"{'stage':22}{'a tenth: s':>12}{'MB':>8}{f'{IMAGES:,}: s':>14}{'MB':>8}{'× time':>9}{'× memory':>10}")
    for name, ((small, little), (large, much)) in numbers.items():
        start, base = (min(pair) for pair in zip(*numbers["nothing"], strict=True))  # of a process that does nothing
        growth = (large - start) / max(small - start, 0.05)
        memory = max(much - base, 1) / max(little - base, 1)
        ratios = "" if name == "nothing" else f"{growth:9.1f}{memory:10.1f}"
        print(f"{name:22}{small:12.1f}{little:8.0f}{large:14.1f}{much:8.0f}{ratios}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        STAGES[sys.argv[2]](Path(sys.argv[3]))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as temporary:
            main(Path(temporary))

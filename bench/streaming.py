"""Peak memory of importing a RecordIO file, of centers and of bins: at N images and at 4N, each in a process of its own."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from semihard.similarity.bins import bin_similarity
from semihard.similarity.centers import find_identity_centers
from semihard.sources.importing import import_faces
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.settings import RecordIOFaces
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance

N, PER_IDENTITY, DIM = 20_000, 20, 512


def make_records(folder: Path, count: int) -> None:
    """Distinct noisy JPEGs of the size of a face's, as RecordIO."""
    random = np.random.default_rng(0)
    blobs = [encode_image(random.integers(80, 176, (112, 112, 3)).astype(np.uint8), "jpeg") for _ in range(50)]
    with RecordIOWriter(folder) as writer:
        for i in range(count):
            writer.add(blobs[i % 50], f"{i // PER_IDENTITY}")


def stage(name: str, folder: Path, count: int) -> None:
    """Run one stage, then print this process's peak resident memory in MB."""
    faces, embeddings, centers = folder / "faces.h5", folder / "embeddings.h5", folder / "centers.h5"
    if name == "import":
        import_faces(RecordIOFaces(source="recordio", path=str(folder / "rec")), faces, Provenance())
    elif name == "embeddings":  # stands in for an embedder: written in blocks
        with create_artifact(embeddings, schemas.EMBEDDINGS) as writer:
            data = writer.create("embedding", (count, DIM))
            for start in range(0, count, 1000):
                data[start : start + 1000] = np.random.default_rng(start).standard_normal((1000, DIM), np.float32)
    elif name == "centers":
        find_identity_centers(faces, embeddings, "mean", None, centers, Provenance())
    elif name == "bins":
        bin_similarity(centers, faces, "quantile-5", folder / "bins.h5", Provenance())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    print(f"{'stage':12}{f'{N:,} images':>18}{f'{4 * N:,} images':>18}{'ratio':>8}")
    peaks: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for count in (N, 4 * N):
            folder = Path(temporary) / str(count)
            folder.mkdir()
            make_records(folder / "rec", count)
            for name in ("baseline", "import", "embeddings", "centers", "bins"):
                command = [sys.executable, __file__, name, str(folder), str(count)]
                out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                peaks.setdefault(name, []).append(float(out.split()[-1]))
    for name, (small, large) in peaks.items():
        print(f"{name:12}{small:15.0f} MB{large:15.0f} MB{large / small:8.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        stage(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()

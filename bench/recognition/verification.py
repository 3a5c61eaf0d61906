"""From embeddings to accuracy by sorting and by the plain loop over thresholds; peak memory of whole verifications."""

import functools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from semihard.compute.device import best_device
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.similarity.embedders import load_embedder
from semihard.sources.rendered.stream import rendered_faces
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.verification.model import verify_faces
from semihard.verification.protocol import THRESHOLDS, squared_distances, tar_at_far, verify

PAIRS, DIM, FOLDS, FAR, REPEATS = 6000, 512, 10, 1e-3, 20
IMAGES, BENCHMARKS = 14_000, 5


def make_pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of `PAIRS` pairs, float32 `[2 * PAIRS, DIM]`, whether each is genuine, and its fold."""
    random = np.random.default_rng(0)
    embedding = random.standard_normal((2 * PAIRS, DIM), np.float32)
    same = np.tile(np.repeat([True, False], PAIRS // FOLDS // 2), FOLDS)
    embedding[1::2][same] = 0.9 * embedding[1::2][same] + 0.1 * embedding[0::2][same]
    return embedding, same, np.repeat(np.arange(FOLDS), PAIRS // FOLDS)


def by_sorting(embedding: np.ndarray, same: np.ndarray, fold: np.ndarray, thresholds: str = "grid") -> np.ndarray:
    """Accuracy of every fold, as this project computes it."""
    return verify(distances_of_pairs(embedding), same, fold, thresholds).accuracy


def by_sorting_with_tar(embedding: np.ndarray, same: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, float]:
    """The same, and the true accept rate at `FAR` over all pairs."""
    distance = distances_of_pairs(embedding)
    return verify(distance, same, fold).accuracy, float(tar_at_far(distance, same, [FAR])[0])


def distances_of_pairs(embedding: np.ndarray) -> np.ndarray:
    """Of rows 0 and 1, 2 and 3, ..."""
    return squared_distances(embedding, np.arange(0, 2 * PAIRS, 2), np.arange(1, 2 * PAIRS, 2))


def by_loop(embedding: np.ndarray, same: np.ndarray, fold: np.ndarray, with_tar: bool = False) -> np.ndarray:
    """Accuracy of every fold, counting over all pairs of the other folds at each of the 400 thresholds in turn.

    with_tar: also the true accept rate of every fold, where the others' false accept rate is `FAR` among thresholds
    0, 0.001 ... 3.999; not returned.
    """
    unit = embedding.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    distance = np.square(unit[0::2] - unit[1::2]).sum(1)
    accuracy = []
    for k in range(FOLDS):
        others = fold != k
        rates = [counted(distance[others], same[others], t)[0] for t in THRESHOLDS]
        best = THRESHOLDS[int(np.argmax(rates))]
        for t in THRESHOLDS:  # the fold's own ROC curve, which the field's code takes along
            counted(distance[~others], same[~others], t)
        accuracy.append(counted(distance[~others], same[~others], best)[0])
        if with_tar:
            fine = np.arange(0, 4, 0.001)
            far = [counted(distance[others], same[others], t)[2] for t in fine]
            counted(distance[~others], same[~others], np.interp(FAR, far, fine))
    return np.array(accuracy)


def counted(distance: np.ndarray, same: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Accuracy, true and false accept rate at one threshold, from the four counts of the confusion matrix."""
    accepted = distance < threshold
    true_accepts, false_accepts = np.sum(accepted & same), np.sum(accepted & ~same)
    true_rejects, false_rejects = np.sum(~accepted & ~same), np.sum(~accepted & same)
    accuracy = (true_accepts + true_rejects) / len(same)
    return accuracy, true_accepts / (true_accepts + false_rejects), false_accepts / (false_accepts + true_rejects)


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Least processor time of `function` in `repeats` runs."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        took.append(time.process_time() - start)
    return min(took)


def make_benchmark(folder: Path) -> None:
    """A face set of 14,000 images, 7000 pairs of them, and a small network."""
    unique = np.concatenate([batch.images for batch in rendered_faces(20, 10, 0)])
    with FaceSetWriter(folder / "faces.h5", (112, 112)) as writer:
        for start in range(0, IMAGES, len(unique)):
            writer.add(unique, [f"{start + i}" for i in range(len(unique))])
    first = np.arange(0, IMAGES, 2)
    pairs = {"first": first, "second": first + 1, "same": first % 4 == 0, "fold": np.arange(IMAGES // 2) % FOLDS}
    write_artifact(folder / "pairs.h5", schemas.BENCHMARK, pairs)
    save_model(folder / "model", build_backbone("tiny", (32, 32), DIM), EmbedderSpec("tiny", (32, 32), DIM))


def run(folder: Path, benchmarks: int) -> None:
    """Verify so many benchmarks, one after the other; with none, load the network and use it once."""
    if not benchmarks:
        load_embedder(folder / "model", best_device()).embed(torch.zeros(1024, 3, 112, 112, dtype=torch.uint8))
    for _ in range(benchmarks):
        verify_faces(folder / "faces.h5", folder / "pairs.h5", folder / "model", folder / "verification.h5")


def main() -> None:
    """Print the tables."""
    given, loop = make_pairs(), 0.0
    assert np.array_equal(by_sorting(*given), by_loop(*given))
    rows = {
        "loop over 400 thresholds": (by_loop, 2),
        "sorting, same grid": (by_sorting, REPEATS),
        "sorting, every distance": (functools.partial(by_sorting, thresholds="exact"), REPEATS),
        "loops, with TAR at FAR 0.001": (functools.partial(by_loop, with_tar=True), 1),
        "sorting, with TAR at FAR 0.001": (by_sorting_with_tar, REPEATS),
    }
    print(f"{f'{PAIRS} pairs of {DIM} dimensions':32}{'cpu-ms':>10}{'× loop':>10}")
    for name, (function, repeats) in rows.items():
        took = seconds(lambda function=function: function(*given), repeats)
        loop = took if name.startswith("loop") else loop
        print(f"{name:32}{1000 * took:10.1f}{loop / took:10.1f}")
    print(f"\n{'peak memory':32}{'MB':>10}{'MB more':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        make_benchmark(Path(temporary))
        network = 0.0
        for benchmarks in (0, 1, BENCHMARKS):
            command = [sys.executable, __file__, temporary, str(benchmarks)]
            peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            network = network or peak
            name = f"{benchmarks} × {IMAGES} images" if benchmarks else "network alone, 1024 images"
            print(f"{name:32}{peak:10.0f}{peak - network:10.0f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]), int(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        main()

"""What a job asks of a cluster: memory, minutes, threads and GPUs, from its entry, within what the profile allows.

An estimate errs on the side of more: who asks for too little is stopped (and goes on from its checkpoint in the next
attempt, which asks for more), who asks for too much waits a little longer. It enters no result and no fingerprint.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from semihard.errors import InputError
from semihard.generator.settings import SyntheticFaces, UnconditionalFaces
from semihard.recognizer.settings import Recognizer
from semihard.workflow.known_sizes import most_images
from semihard.workflow.settings import Config

UNKNOWN_IMAGES = 500_000  # of a set whose files have not been read: CASIA-WebFace's
UNKNOWN_GMAC = 12.0
NETWORKS = {"tiny": 0.01, "mobilefacenet": 0.22, "mbf": 0.44, "mbf_large": 1.8, "inception_resnet_v1": 1.4}
GENERATORS = {"dcface_112": (38.0, 112), "small_64": (3.3, 64), "tiny": (0.08, 32)}  # GMAC, at pixels (generator.sizes)
SIDE = 112  # of the images that NETWORKS and the depth of an IResNet are counted for
TINY_SIDE = 32

# Floating-point operations in a second. GPU: a sixth of what a card of 24 GB multiplies in bf16 (an H100 reached that share,
# generator.cost, and is some eight times faster); CPU: half of what a core with AVX2 was measured at.
GPU_SPEED, CORE_SPEED = 1e13, 1e10
MOST_THREADS = 16  # that a rule asks for
LEAST_MINUTES = 60
PROCESS_MB = 6000  # PyTorch with CUDA's libraries, and the batches under way
DECODED_MB = 8192  # what a training holds in memory of decoded pixels at most (compute.decoded_images)


UNITS = {"threads": "threads", "mem_mb": "megabytes", "runtime": "minutes", "gpu": "GPUs (0 for none)"}


@dataclass(frozen=True)
class Limits:
    """The most that a job may ask for, by the profile's default-resources `most_threads`, `most_mem_mb`, `most_runtime`
    (minutes) and `most_gpu` (of one node); what is not given there has no limit."""

    threads: float = math.inf
    mem_mb: float = math.inf
    runtime: float = math.inf
    gpu: float = math.inf

    @classmethod
    def of(cls, defaults: Mapping[str, object] | None) -> "Limits":
        """From Snakemake's default resources. Raises InputError for a limit of another name, or that is no whole number."""
        given = {}
        for key, value in (defaults or {}).items():
            if not key.startswith("most_"):
                continue
            name = key.removeprefix("most_")
            if name not in cls.__dataclass_fields__:
                known = ", ".join(f"most_{one}" for one in cls.__dataclass_fields__)
                raise InputError(f"default-resources of the profile: there is no limit {key!r}; there are: {known}")
            given[name] = plain(value)
            if not isinstance(given[name], int) or given[name] < (name != "gpu"):
                raise InputError(
                    f"default-resources of the profile: {key}={given[name]}: expected a whole number of {UNITS[name]}"
                )
        return cls(**given)

    def speed(self) -> float:
        """FLOP/s of a process: of a GPU, or of the threads where no job has one."""
        return GPU_SPEED if self.gpu else CORE_SPEED * min(self.threads, MOST_THREADS)

    def nodes(self, processes: int) -> int:
        """On how many nodes so many processes run, as many on each: one, unless a node has fewer GPUs (most_gpu) than that."""
        if not 0 < self.gpu < processes:
            return 1
        return next(
            nodes for nodes in range(2, processes + 1) if processes % nodes == 0 and processes <= self.gpu * nodes
        )

    def within(self, name: str, wanted: float) -> int:
        """`wanted` of threads, mem_mb, runtime or gpu, rounded up, or the most of it."""
        return int(min(math.ceil(wanted), getattr(self, name)))


def plain(resource: object) -> object:
    """The value of one of Snakemake's default resources; of an expression, its text."""
    try:
        return getattr(resource, "value", resource)
    except ValueError:  # it is evaluated for each job
        return getattr(resource, "raw", resource)


def training_memory(entry: object, images: int) -> int:
    """Megabytes of main memory of a training on so many images, in all its processes."""
    height, width = entry.image_size, getattr(entry, "width", None) or entry.image_size
    decoded = 3 * height * width * images / 1e6
    return PROCESS_MB * entry.processes + math.ceil(min(decoded, DECODED_MB))


def training_minutes(config: Config, section: str, name: str, faceset: str, speed: float) -> int:
    """Minutes of a recognizer's or generator's training on a face set; speed: FLOP/s of one process."""
    entry = getattr(config, section)[name]
    seen = images_of(config, faceset) * entry.epochs
    return minutes(6e9 * gmac_of(config, entry) * seen / (speed * entry.processes))  # forward and twice that back


def synthesis_minutes(config: Config, faceset: str, speed: float) -> int:
    """Minutes of one shard of a synthetic face set."""
    entry = config.facesets[faceset]
    images = entry.images if isinstance(entry, UnconditionalFaces) else entry.identities * entry.per_identity
    passes = 2 if isinstance(entry, SyntheticFaces) and entry.negative_identity else 1
    network, at = generator_gmac(config.generators[entry.generator])
    return minutes(2e9 * network * at * entry.steps * passes * images / entry.shards / speed)


def minutes(seconds: float) -> int:
    """Minutes, never few."""
    return max(LEAST_MINUTES, math.ceil(seconds / 60))


def images_of(config: Config, faceset: str) -> int:
    """Images of a face set, for an estimate."""
    known = most_images(config, faceset)
    return UNKNOWN_IMAGES if known is None else known


def gmac_of(config: Config, entry: object) -> float:
    """Multiplications of a forward pass of what is trained, in 10⁹; of a generator with those of its guide, a share of
    the time (GMAC of an embedder whose network the configuration does not name: as of a deep one)."""
    if isinstance(entry, Recognizer):
        return network_gmac(entry.backbone) * (entry.image_size / side_of(entry.backbone)) ** 2
    network, scale = generator_gmac(entry)
    embedder = config.embedders.get(getattr(entry, "embedder", None) or "")
    if embedder is None:
        return network * scale
    made_by = config.recognizers.get(getattr(embedder, "recognizer", ""))
    guide = network_gmac(made_by.backbone if made_by else str(getattr(embedder, "layout", "")))
    return network * scale + guide / getattr(entry, "guide_every", 1)


def generator_gmac(entry: object) -> tuple[float, float]:
    """GMAC of a denoiser at its usual size, and by how much the entry's images are larger."""
    gmac, side = GENERATORS.get(getattr(entry, "network", ""), (38.0, SIDE))  # of a file: as of the largest
    return gmac, ((getattr(entry, "image_size", None) or side) / side) ** 2


def network_gmac(name: str) -> float:
    """GMAC of a backbone or a layout by its name: an IResNet's by its depth."""
    for start in sorted(NETWORKS, key=len, reverse=True):
        if name.startswith(start):
            return NETWORKS[start]
    depth = re.search(r"\d+", name)
    return 0.15 * int(depth[0]) if depth else UNKNOWN_GMAC


def side_of(name: str) -> int:
    """Pixels that a backbone's GMAC is counted for."""
    return TINY_SIDE if name == "tiny" else SIDE

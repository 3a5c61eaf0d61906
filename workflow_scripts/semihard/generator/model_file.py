"""A trained generator as one safetensors file that says how it has to be used."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from semihard.compute.device import unet_layout
from semihard.errors import InputError
from semihard.generator.dcface import DCFaceUNet
from semihard.generator.network import Denoiser, SimilarityUNet, UnconditionalUNet
from semihard.generator.objective import noise_schedule
from semihard.recognizer.model_file import KEY
from semihard.similarity.embedders import Embedder
from semihard.storage.atomic import atomic_path
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


@dataclass(frozen=True)
class GeneratorSpec:
    """What a generator is besides its weights: method, network, noise schedule, and what it was conditioned on."""

    method: str
    network: str
    image_size: int
    timesteps: int
    beta_start: float
    beta_end: float
    embedding_dim: int | None = None  # cemiface, dcface
    embedder_sha256: str | None = None
    m_min: float | None = None  # cemiface
    m_max: float | None = None
    m_step: float | None = None
    style_grid: int | None = None  # dcface
    style_channels: int | None = None

    def build(self) -> Denoiser:
        """The network with fresh weights."""
        schedule = noise_schedule(self.timesteps, self.beta_start, self.beta_end)
        match self.method:
            case "cemiface":
                return SimilarityUNet(self.network, self.image_size, schedule, self.embedding_dim)
            case "dcface":
                return DCFaceUNet(self.network, self.image_size, schedule, self.style_grid, self.style_channels)
        return UnconditionalUNet(self.network, self.image_size, schedule)

    def check_similarity(self, m: float) -> None:
        """Warn where the similarity asked for lies outside what the generator was trained on."""
        steps = int((self.m_max - self.m_min) / self.m_step + 1e-6) if self.m_step else 0
        greatest = self.m_min + steps * self.m_step if self.m_step else self.m_max
        if not self.m_min - 1e-6 <= m <= greatest + 1e-6:
            log.warning("similarity %g lies outside the %g … %g this generator was trained on", m, self.m_min, greatest)

    def check_embedder(self, path: Path | str, embedder: Embedder) -> None:
        """Raises InputError where `embedder`, read from `path`, is not the one the generator was trained with."""
        if embedder.embedding_dim != self.embedding_dim:
            raise InputError(
                f"{path}: makes {embedder.embedding_dim}-d embeddings, "
                f"the generator was trained with {self.embedding_dim}-d ones"
            )
        if sha256_of(path) != self.embedder_sha256:
            raise InputError(
                f"{path}: is not the embedder the generator was trained with; use that one or train the generator again"
            )


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_generator(path: Path | str, network: Denoiser, spec: GeneratorSpec, provenance: Provenance) -> None:
    """Write weights, spec and provenance to one safetensors file, atomically; the same generator gives the same bytes."""
    about = {"kind": "generator", "spec": asdict(spec), "provenance": provenance.attributes()}
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, {KEY: json.dumps(about)})


def load_generator(path: Path | str, device: torch.device, compile: bool = False) -> tuple[Denoiser, GeneratorSpec]:
    """The network, frozen, in eval mode on `device`, laid out as suits it there (compiled or not), and its spec.

    Raises InputError where the file is no generator of this version.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if about.get("kind") != "generator":
            raise InputError(f"{path}: is no generator file; make it with the rule train_generator")
        spec = GeneratorSpec(**about["spec"])
        network = spec.build()
        network.load_state_dict(weights)
        if bad := [name for name, values in weights.items() if not values.isfinite().all()]:
            raise InputError(f"{path}: {bad[0]} is not finite; train the generator again")
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable generator file of this version ({error})") from None
    return network.requires_grad_(False).eval().to(device, memory_format=unet_layout(device, compile)), spec

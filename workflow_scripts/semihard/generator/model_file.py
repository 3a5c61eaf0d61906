"""A trained generator as one safetensors file that says how it has to be used."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from semihard.compute.device import unet_layout
from semihard.errors import InputError
from semihard.generator.network import Denoiser
from semihard.generator.objective import noise_schedule
from semihard.recognizer.model_file import KEY, read_tensors
from semihard.settings import registry
from semihard.similarity.embedders import Embedder
from semihard.storage.atomic import atomic_path
from semihard.storage.checksum import sha256_of
from semihard.storage.provenance import Provenance


@dataclass(frozen=True)
class GeneratorSpec:
    """What a generator is besides its weights: method, network, noise schedule, and what it was conditioned on."""

    method: str
    network: str
    image_size: int
    timesteps: int
    beta_start: float
    beta_end: float
    embedding_dim: int | None = None  # of the embedder it is guided by, None without one
    embedder_sha256: str | None = None
    options: dict = field(default_factory=dict)  # the method's own

    def build(self) -> Denoiser:
        """The network with fresh weights."""
        schedule = noise_schedule(self.timesteps, self.beta_start, self.beta_end)
        return registry.load("generator.methods", self.method, "method").build_network(self, schedule)

    @classmethod
    def of(cls, about: dict) -> "GeneratorSpec":
        """From what a generator's file says, the method's own beside the rest."""
        own = {item.name for item in fields(cls)} - {"options"}
        options = {name: value for name, value in about.items() if name not in own and value is not None}
        return cls(**{name: value for name, value in about.items() if name in own}, options=options)

    def about(self) -> dict:
        """What a generator's file says."""
        given = asdict(self)
        return given | given.pop("options")

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


def save_generator(path: Path | str, network: Denoiser, spec: GeneratorSpec, provenance: Provenance) -> None:
    """Write weights, spec and provenance to one safetensors file, atomically; the same generator gives the same bytes."""
    about = {"kind": "generator", "spec": spec.about(), "provenance": provenance.attributes()}
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, {KEY: json.dumps(about)})


def load_generator(path: Path | str, device: torch.device, compile: bool = False) -> tuple[Denoiser, GeneratorSpec]:
    """The network, frozen, in eval mode on `device`, laid out as suits it there (compiled or not), and its spec.

    Raises InputError where the file is no generator of this version.
    """
    try:
        about, weights = read_tensors(path)
        if not about or about.get("kind") != "generator":
            raise InputError(f"{path}: is no generator file; make it with the rule train_generator")
        spec = GeneratorSpec.of(about["spec"])
        network = spec.build()
        network.load_state_dict(weights)
        if bad := [name for name, values in weights.items() if not values.isfinite().all()]:
            raise InputError(f"{path}: {bad[0]} is not finite; train the generator again")
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable generator file of this version ({error})") from None
    return network.requires_grad_(False).eval().to(device, memory_format=unet_layout(device, compile)), spec

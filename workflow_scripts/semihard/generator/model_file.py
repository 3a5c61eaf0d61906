"""A trained generator as one safetensors file that says how it has to be used."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError

from semihard.compute.device import unet_layout
from semihard.errors import InputError
from semihard.generator.network import Denoiser
from semihard.generator.objective import noise_schedule
from semihard.recognizer.model_file import weights_digest
from semihard.settings import registry
from semihard.storage.checksum import sha256_of
from semihard.storage.provenance import Provenance
from semihard.storage.tensors_file import read_tensors, write_tensors


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
    embedder_sha256: str | None = None  # recognizer.model_file.weights_digest
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

    def check_embedder(self, path: Path | str, embedding_dim: int) -> None:
        """Raises InputError where the embedder of the model file `path`, which makes embeddings of that length, is not the one
        that the generator was trained with."""
        if embedding_dim != self.embedding_dim:
            raise InputError(
                f"{path}: makes {embedding_dim}-d embeddings, "
                f"the generator was trained with {self.embedding_dim}-d ones"
            )
        known = self.embedder_sha256
        if weights_digest(path) != known and sha256_of(path) != known:  # which files of earlier versions have
            raise InputError(
                f"{path}: is not the embedder the generator was trained with; use that one or train the generator again"
            )


def save_generator(
    path: Path | str, network: Denoiser, spec: GeneratorSpec, provenance: Provenance, origin: dict | None = None
) -> None:
    """Write weights, spec and provenance to one safetensors file, atomically; the same generator gives the same bytes.
    origin: the provenance of its training, where it was trained elsewhere."""
    about = {"kind": "generator", "spec": spec.about(), "provenance": provenance.attributes()}
    about |= {"origin": origin} if origin else {}
    write_tensors(path, network.state_dict(), about)


def read_generator(path: Path | str) -> tuple[Denoiser, GeneratorSpec, dict]:
    """The network, on the CPU, its spec, and the provenance of its training. Raises InputError where the file is no
    generator of this version."""
    try:
        about, weights = read_tensors(path)
        if not about or about.get("kind") != "generator":
            raise InputError(f"{path}: is no generator file; make it with the rule train_generator")
        spec = GeneratorSpec.of(about["spec"])
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a readable generator file of this version ({error}); get it again, or delete it and run again"
        ) from None
    return network_of(spec, weights, path), spec, about.get("origin") or about.get("provenance", {})


def network_of(spec: GeneratorSpec, weights: dict[str, torch.Tensor], path: Path | str) -> Denoiser:
    """The network with these weights, on the CPU. Raises InputError where they are not its own, or not finite."""
    try:
        network = spec.build()
        network.load_state_dict(weights)
    except (InputError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable generator file of this version ({error})") from None
    if bad := [name for name, values in weights.items() if not values.isfinite().all()]:
        raise InputError(f"{path}: {bad[0]} is not finite; train the generator again")
    return network


def load_generator(path: Path | str, device: torch.device, compile: bool = False) -> tuple[Denoiser, GeneratorSpec]:
    """The network, frozen, in eval mode on `device`, laid out as suits it there (compiled or not), and its spec.

    Raises InputError where the file is no generator of this version.
    """
    network, spec, _ = read_generator(path)
    return network.requires_grad_(False).eval().to(device, memory_format=unet_layout(device, compile)), spec

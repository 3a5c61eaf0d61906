"""A generator as a diffusers pipeline, for Python without this workflow: inquiries and a similarity in, faces out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from PIL import Image
from torch import nn

from semihard.compute.device import autocast
from semihard.errors import InputError
from semihard.generator.method import method_named, settings_named
from semihard.generator.model_file import GeneratorSpec, read_generator
from semihard.generator.network import Denoiser
from semihard.generator.samplers import denoise, draw_noise
from semihard.recognizer.diffusers_model import FaceEmbedder
from semihard.recognizer.model_file import load_model
from semihard.similarity.embedders import Embedder
from semihard.storage.pipeline_folder import EMBEDDER

Inquiries = Sequence[Image.Image] | np.ndarray | torch.Tensor


class FaceGenerator(ModelMixin, ConfigMixin):
    """A denoising network; the arguments are those of `GeneratorSpec`. training: the provenance of its training.
    Attribute: denoiser, the network."""

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        method: str,
        network: str,
        image_size: int,
        timesteps: int,
        beta_start: float,
        beta_end: float,
        embedding_dim: int | None = None,
        embedder_sha256: str | None = None,
        options: dict | None = None,
        training: dict | None = None,
    ):
        super().__init__()
        self.denoiser = self.spec.build()

    @classmethod
    def of(cls, network: Denoiser, spec: GeneratorSpec, training: dict | None = None) -> "FaceGenerator":
        """That of a network with its weights."""
        model = cls(**asdict(spec), training=training)
        model.denoiser.load_state_dict(network.state_dict())
        return model.eval().requires_grad_(False)

    @property
    def spec(self) -> GeneratorSpec:
        """What it is besides its weights."""
        about = {name: self.config[name] for name in GeneratorSpec.__dataclass_fields__}
        return GeneratorSpec(**(about | {"options": dict(about["options"] or {})}))


@dataclass
class Faces(BaseOutput):
    """What a pipeline draws. images: PIL, or uint8 RGB `[n, s, s, 3]`; similarity: float32 `[n]`, the cosine of each to its
    inquiry, None where there is none. Image k of inquiry i is number i × per_inquiry + k."""

    images: list[Image.Image] | np.ndarray
    similarity: np.ndarray | None = None


class FacePipeline(DiffusionPipeline):
    """generator and, but for a method that is conditioned on nothing, the embedder it was trained with. Raises InputError where
    it is another one."""

    _optional_components = [EMBEDDER]  # noqa: RUF012  (diffusers' name and kind)

    def __init__(self, generator: FaceGenerator, embedder: FaceEmbedder | None = None):
        super().__init__()
        wanted = generator.spec.embedder_sha256
        if wanted is not None and (embedder is None or embedder.digest != wanted):
            raise InputError("the embedder is not the one that the generator was trained with; load the whole pipeline")
        self.register_modules(generator=generator, embedder=embedder)
        self._ready: tuple[object, Embedder] | None = None

    @classmethod
    def of(cls, generator_path: Path | str, embedder_path: Path | str | None = None) -> "FacePipeline":
        """Of the files of this workflow. Raises InputError where they do not belong together."""
        network, spec, training = read_generator(generator_path)
        embedder = None
        if spec.embedding_dim:
            if embedder_path is None:
                raise InputError(
                    f"{generator_path}: was trained with an embedder; give that embedder's model file, too"
                )
            embedder = FaceEmbedder.of(*load_model(embedder_path))
            spec.check_embedder(embedder_path, embedder.spec.embedding_dim)
            spec = replace(spec, embedder_sha256=embedder.digest)
        return cls(FaceGenerator.of(network, spec, training), embedder)

    @torch.inference_mode()
    def __call__(
        self,
        inquiries: Inquiries | None = None,
        m: float | Sequence[float] = 0.0,
        per_inquiry: int = 1,
        steps: int = 20,
        sampler: str = "ddim",
        eta: float = 0.0,
        seed: int = 0,
        batch: int = 64,
        output_type: str = "pil",
    ) -> Faces:
        """Draw `per_inquiry` faces for each of `inquiries`.

        inquiries: aligned photographs, PIL or uint8 RGB `[n, h, w, 3]`, or their embeddings `[n, D]`; for a generator that is
        conditioned on nothing, None: then `per_inquiry` faces are drawn. m: the similarity asked for, one or `[n]` of them.
        steps, sampler, eta: as in a configuration (semihard.generator.samplers). An image's noise is a function of seed,
        number of the inquiry and k, as in a face set that the workflow draws. output_type: "pil" or "np".
        Raises InputError where the inquiries are not what the generator takes.
        """
        spec, device = self.generator.spec, self.generator.device
        if output_type not in ("pil", "np"):
            raise InputError(f"output_type {output_type!r}: expected pil or np")
        C_id, asked = self._conditions(inquiries, m)
        count = per_inquiry * (1 if C_id is None else len(C_id))
        identity, index = np.divmod(np.arange(count), per_inquiry)
        images, similarity = [], []
        bar = self.progress_bar(total=count)
        for rows in np.split(np.arange(count), range(batch, count, batch)):
            noise = draw_noise(seed, identity[rows], index[rows], spec.image_size).to(device)
            fresh = partial(draw_noise, seed, identity[rows], index[rows], spec.image_size)
            with autocast(device, "auto"):
                predict, denoiser = self.generator.denoiser, self.generator.denoiser
                if C_id is not None:
                    condition, unit = method_named(spec.method).condition_similarity, C_id[identity[rows]]
                    predict = condition(denoiser, unit, asked[identity[rows]])
                drawn = denoise(predict, spec, noise, sampler, steps, eta, fresh)
                if C_id is not None:
                    similarity.append(
                        nn.functional.cosine_similarity(self._embedder().embed(drawn).float(), unit).cpu()
                    )
            images.append(drawn.permute(0, 2, 3, 1).cpu().numpy())
            bar.update(len(rows))
        bar.close()
        pixels = np.concatenate(images)
        return Faces(
            images=pixels if output_type == "np" else [Image.fromarray(image) for image in pixels],
            similarity=torch.cat(similarity).numpy() if similarity else None,
        )

    def _conditions(
        self, inquiries: Inquiries | None, m: float | Sequence[float]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Unit embeddings `[n, D]` and similarities `[n]` of the inquiries, None where the generator takes none."""
        spec, device = self.generator.spec, self.generator.device
        method = settings_named(spec.method)
        if method.conditioned_on == "nothing":
            if inquiries is not None:
                raise InputError(f"a {spec.method} generator takes no inquiries; leave them out")
            return None, None
        if not method.takes_similarity:
            raise InputError(
                f"a {spec.method} generator is conditioned on images of two face sets; draw from it by the workflow"
            )
        if inquiries is None or not len(inquiries):
            raise InputError(
                f"a {spec.method} generator draws faces of an inquiry's identity: give one or more inquiries"
            )
        given = inquiries
        if not isinstance(given, np.ndarray | torch.Tensor):
            given = np.stack([np.asarray(image.convert("RGB")) for image in given])
        given = torch.as_tensor(given)
        if given.ndim == 4 and given.dtype == torch.uint8 and given.shape[3] == 3:
            self.embedder.spec.check_proportions(tuple(given.shape[1:3]), "inquiries", "the embedder")
            embeddings = self._embedder().embed(given.permute(0, 3, 1, 2))
        elif given.ndim == 2 and given.is_floating_point() and given.shape[1] == spec.embedding_dim:
            embeddings = given.to(device).float()
        else:
            raise InputError(
                f"inquiries of shape {list(given.shape)} and kind {str(given.dtype).removeprefix('torch.')}: expected uint8 RGB "
                f"images [n, h, w, 3], or embeddings [n, {spec.embedding_dim}]"
            )
        asked = torch.as_tensor(m, dtype=torch.float32, device=device).expand(len(given))
        if not asked.isfinite().all() or (asked.abs() > 1).any():
            raise InputError(f"m {m}: a similarity lies between -1 and 1")
        return nn.functional.normalize(embeddings.clone()), asked

    def _embedder(self) -> Embedder:
        """The embedder, ready to be used where the generator is."""
        network, device = self.embedder.recognizer, self.generator.device
        if self._ready is None or self._ready[0] is not network or self._ready[1].spec != self.embedder.spec:
            self._ready = (network, Embedder(network, self.embedder.spec))
        return self._ready[1].to(device)

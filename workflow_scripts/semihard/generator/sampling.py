"""Synthesis: a generator and its conditions in, one shard of a face set out.

A batch of images is a face set, a shard is its batches one after the other, the whole is its shards.
"""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semihard.compute.device import autocast, best_device, compiled
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.generator.gathering import gather_shards, identity_name
from semihard.generator.method import Synthesis, method_named, settings_named
from semihard.generator.model_file import GeneratorSpec, load_generator
from semihard.generator.operator import operators
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.settings import SyntheticFaces, UnconditionalFaces
from semihard.similarity.embedders import load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.checkpoint import Resume
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


def synthesize(
    settings: SyntheticFaces | UnconditionalFaces,
    shard: int,
    generator_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    embedder_model_path: Path | str | None = None,
    inquiries_path: Path | str | None = None,
    inquiry_faces_path: Path | str | None = None,
    style_faces_path: Path | str | None = None,
) -> None:
    """Write shard `shard` of `settings.shards` of a face set drawn from a generator.

    Embedder and inquiries go with SyntheticFaces; the inquiries' and the styles' face sets with a dcface generator.
    Images are numbered by (identity, index) and denoised in batches of `settings.batch`; a shard is a run of whole
    batches, so the images do not depend on the number of shards. Finished batches survive a kill and a full disk.
    Columns: index and, of SyntheticFaces, m (asked for; NaN for dcface), similarity (achieved: cosine to its identity
    condition, for dcface to its inquiry), partner (identity number, −1 without mixup), phi.
    Raises InputError where generator, embedder and inquiries do not belong together.
    """
    device = best_device()
    network, spec = load_generator(generator_path, device, settings.compile)
    check_method(settings, spec, generator_path)
    batches = shard_batches(settings, shard)
    network.predict = compiled(network.predict, settings.compile)
    embedder = inquiries = None
    if spec.embedding_dim:
        embedder = load_embedder(embedder_model_path, device)
        spec.check_embedder(embedder_model_path, embedder.embedding_dim)
        inquiries = read_inquiries(inquiries_path, settings, spec)
    synthesis = Synthesis(settings, network, spec, device, embedder, inquiries, inquiry_faces_path, style_faces_path)
    conditioning = method_named(spec.method).condition_faceset(synthesis)

    given = [generator_path, embedder_model_path, inquiries_path, inquiry_faces_path, style_faces_path]
    resume = Resume(output, provenance, [path for path in given if path is not None])
    paths = [resume.directory / f"batch{batch}.h5" for batch in batches]
    missing = [(batch, path) for batch, path in zip(batches, paths, strict=True) if not is_finished(path)]
    size = (spec.image_size, spec.image_size)
    with progress("synthesize", len(batches), "batches", len(batches) - len(missing)) as advance:
        for batch, path in missing:
            identity, index = images_of(settings, batch)
            noise = draw_noise(settings.seed, identity, index, spec.image_size).to(device)
            with autocast(device, settings.precision), torch.inference_mode():
                conditioned = conditioning(identity, index)
                fresh = partial(draw_noise, settings.seed, identity, index, spec.image_size)
                how = (settings.sampler, settings.steps, settings.eta, fresh)
                images = denoise(conditioned.predict, spec, noise, *how)
                columns = conditioned.columns | {"index": index.astype(np.int32)}
                if conditioned.aim is not None:
                    cosine = nn.functional.cosine_similarity(embedder.embed(images).float(), conditioned.aim)
                    columns["similarity"] = cosine.cpu().numpy()
            names = [identity_name(settings.seed, i) for i in identity.tolist()]
            with FaceSetWriter(path, size, settings.codec, provenance, {"source": settings.source}) as writer:
                writer.add(images.permute(0, 2, 3, 1).cpu().numpy(), names, columns)
            advance(1)
    gather_shards(paths, output, provenance)
    resume.discard()


def is_finished(path: Path) -> bool:
    """True where a batch is there and readable; a damaged one is to be drawn again, which is said."""
    try:
        return path.exists() and len(FaceSet(path)) > 0
    except InputError as problem:
        log.warning("%s: drawn again", problem)
        return False


def check_method(settings: SyntheticFaces | UnconditionalFaces, spec: GeneratorSpec, path: Path | str) -> None:
    """Raises InputError where the generator's method cannot do what the settings ask."""
    method = settings_named(spec.method)
    if isinstance(settings, UnconditionalFaces) != (method.conditioned_on == "nothing"):
        use = "unconditional" if method.conditioned_on == "nothing" else "synthesis"
        raise InputError(f"{path}: a {spec.method} generator is not for source: {settings.source}; use source: {use}")
    if isinstance(settings, UnconditionalFaces):
        return
    asked = operators(settings)
    if asked and method.conditioned_on == "image":
        raise InputError(f"{path}: a {spec.method} generator is conditioned on images; leave out {' and '.join(asked)}")
    if settings.identities < 2 and any(operator.another_identity for operator in asked.values()):
        raise InputError(f"{' and '.join(asked)}: needs another identity; ask for 2 identities at least")


def read_inquiries(path: Path | str, settings: SyntheticFaces, spec: GeneratorSpec) -> dict[str, np.ndarray]:
    """The artifact "inquiries". Raises InputError where it has too few of them or the embeddings are of another length."""
    inquiries = read_artifact(path, schemas.INQUIRIES)
    count, dim = inquiries["embedding"].shape
    if dim != spec.embedding_dim:
        raise InputError(
            f"{path}: {dim}-d embeddings, the generator was trained with {spec.embedding_dim}-d ones; "
            "select the inquiries with its embedder"
        )
    if count < settings.identities:
        raise InputError(f"{path}: {count} inquiries for {settings.identities} identities; select as many")
    return inquiries


def images_of(settings: SyntheticFaces | UnconditionalFaces, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Identity and index, int64 `[n]`, of the images of a batch; identity −1 where they are nobody's."""
    number = np.arange(batch * settings.batch, min((batch + 1) * settings.batch, count_of(settings)))
    if isinstance(settings, UnconditionalFaces):
        return np.full(len(number), -1), number
    return np.divmod(number, settings.per_identity)


def shard_batches(settings: SyntheticFaces | UnconditionalFaces, shard: int) -> range:
    """The batches of one shard: contiguous, and as even as whole batches allow."""
    count = -(-count_of(settings) // settings.batch)
    if settings.shards > count:
        given = f"{settings.shards} shards for {count} batches of {settings.batch} images"
        raise InputError(f"{given}: set shards to {count} at most")
    return range(shard * count // settings.shards, (shard + 1) * count // settings.shards)


def count_of(settings: SyntheticFaces | UnconditionalFaces) -> int:
    """How many images are synthesized."""
    return settings.images if isinstance(settings, UnconditionalFaces) else settings.identities * settings.per_identity

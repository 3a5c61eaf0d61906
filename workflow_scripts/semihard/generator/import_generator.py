"""A generator from elsewhere to this study: its file, checked, and the embedder that belongs to it."""

import logging
from pathlib import Path

from semihard.errors import InputError
from semihard.generator.file_entry import FileGenerator
from semihard.generator.model_file import GeneratorSpec, network_of, read_generator, save_generator
from semihard.generator.network import Denoiser
from semihard.recognizer.model_file import load_model
from semihard.recognizer.pipeline_part import read_part
from semihard.settings.paths import expand_path
from semihard.storage.checksum import check_sha256
from semihard.storage.pipeline_folder import GENERATOR, weights_file
from semihard.storage.provenance import Provenance

PREFIX = "denoiser."  # of weights in a pipeline (generator.pipeline.FaceGenerator)

log = logging.getLogger("semihard")


def import_generator(
    settings: FileGenerator, output: Path | str, provenance: Provenance, embedder_model_path: Path | str | None = None
) -> None:
    """Write the generator's file; how it was trained is kept in it.

    Raises InputError where it has another checksum, is no generator, is of another method, or was trained with another
    embedder.
    """
    path = expand_path(settings.path)
    check_sha256(weights_file(path, GENERATOR), settings.sha256)
    network, spec, origin = read_pipeline(path) if path.is_dir() else read_generator(path)
    if spec.method != settings.method:
        raise InputError(f"{path}: is a generator of method {spec.method}; say so: method: {spec.method}")
    if spec.embedding_dim:
        spec.check_embedder(embedder_model_path, load_model(embedder_model_path)[1].embedding_dim)
    save_generator(output, network, spec, provenance, origin)
    log.info("%s: a %s generator of %d pixels, network %s", path, spec.method, spec.image_size, spec.network)


def read_pipeline(path: Path | str) -> tuple[Denoiser, GeneratorSpec, dict]:
    """As `read_generator`, of the folder of a pipeline. Raises InputError where it is none of this version."""
    config, weights = read_part(path, GENERATOR, PREFIX)
    try:
        spec = GeneratorSpec(**{name: config[name] for name in GeneratorSpec.__dataclass_fields__ if name in config})
    except TypeError as error:
        raise InputError(f"{path}: does not say what its generator is ({error}); get it again") from None
    return network_of(spec, weights, path), spec, config.get("training") or {}

"""Fidelity over images seen: what each kept epoch of a generator's training draws, against what it learns from."""

import logging
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semihard.audit.fidelity import MEASURES, compare, draw, halves
from semihard.audit.settings import FidelityAudit
from semihard.compute.device import autocast, best_device
from semihard.compute.progress import progress
from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.generator.method import TrainingImages, method_named
from semihard.generator.model_file import load_generator
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.settings import Diffusion
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding_pairs import identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
IMAGES = 1000  # of each epoch: the curve needs the order of its points, not their last digit
BATCH = 100
SAMPLER, STEPS = "dpmsolver++", 10


def measure_learning(
    audit: FidelityAudit,
    settings: Diffusion,
    epochs_path: Path | str,
    faces_path: Path | str,
    embeddings_path: Path | str,
    model_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    guide_path: Path | str | None = None,
) -> None:
    """Write the artifact "learning": `MEASURES` of every epoch kept in the folder `epochs_path`, and their null.

    faces_path, embeddings_path: the generator's training set and its embeddings by the embedder `model_path`, which
    measures; guide_path: the embedder of the generator's losses, None for a ddpm. Each epoch draws the same images: as
    many as of one half of the set, at most 1,000, conditioned as in training on images of that half, each with one
    similarity m and one noise of its own, in 10 steps of DPM-Solver++.
    Epochs that `settings` ask for and the folder lacks are named in the log and left out. Raises InputError where none
    is left.
    """
    networks = {
        int(re.sub(r"\D", "", path.stem)): path for path in sorted(Path(epochs_path).glob("epoch*.safetensors"))
    }
    wanted = range(settings.keep_every, int(settings.epochs) + 1, settings.keep_every)
    if missing := sorted(set(wanted) - set(networks)):
        log.warning("%s: no epoch %s: left out of the curve", epochs_path, ", ".join(map(str, missing)))
    if not networks:
        raise InputError(
            f"{epochs_path}: holds none of the epochs that keep_every: {settings.keep_every} asks for; remove the folder "
            "and run again to train the generator anew"
        )
    device, faces = best_device(), FaceSet(faces_path)
    unit = unit_embeddings(embeddings_path, faces).double()
    first, second = halves(identity_of_each(faces))
    count = min(len(first), len(second), audit.images, IMAGES)
    rows, others = draw(first, count), draw(second, count)
    null = compare(unit[rows], unit[others], audit.nearest, f"{faces.path.stem}, its halves")

    judge = load_embedder(model_path, device)
    guide = load_embedder(guide_path, device) if guide_path else None
    method = method_named(settings.method)
    values = []
    with progress("draw", len(networks) * count, "images") as advance:
        for path in networks.values():
            network, spec = load_generator(path, device)
            parts = []
            for chosen in np.split(np.arange(count), range(BATCH, count, BATCH)):
                noise = draw_noise(settings.seed, chosen, np.zeros_like(chosen), spec.image_size).to(device)
                with autocast(device, settings.precision), torch.inference_mode():
                    pixels = torch.from_numpy(faces.images(rows[chosen])).permute(0, 3, 1, 2)
                    pixels = resize(pixels, spec.image_size).to(device)
                    training_images = TrainingImages(rows[chosen], len(faces), pixels, settings.seed)
                    predict = method.condition_training_images(training_images, network, spec, guide)
                    images = denoise(predict, spec, noise, SAMPLER, min(STEPS, spec.timesteps))
                    parts.append(nn.functional.normalize(judge.embed(images)).cpu())
                advance(len(chosen))
            values.append(compare(unit[others], torch.cat(parts).double(), audit.nearest, path.stem))
    epochs = np.array(list(networks))
    seen = np.round(epochs * len(faces)).astype(np.int64)
    data = {"epoch": epochs, "images": seen, "name": list(MEASURES), "value": np.array(values), "null": np.array(null)}
    write_artifact(output, schemas.LEARNING, data, provenance, {"count": count, "faces": faces.path.stem})

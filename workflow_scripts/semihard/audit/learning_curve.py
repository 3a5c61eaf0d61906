"""What each kept epoch of a generator's training draws: its fidelity to what it learns from, the similarity it achieves for
the one asked for, and faces of the same conditions and noise."""

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
from semihard.generator.calibration import SAMPLER, STEPS, drawn_at
from semihard.generator.method import Method, TrainingImages, method_named
from semihard.generator.model_file import GeneratorSpec, load_generator, read_generator
from semihard.generator.network import Denoiser
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.settings import Diffusion
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.similarity.embedding_pairs import identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.checkpoint import Resume
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
IMAGES = 1000  # of each epoch: the curve needs the order of its points, not their last digit
BATCH = 100
VALUES, INQUIRIES = 5, 16  # of m; of the curve of similarity
ROWS = 6  # of the sheet


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
    """Write the artifact "learning": `MEASURES` of every epoch kept in the folder `epochs_path`, and their null; similarity
    achieved for 5 values of m, of a method that takes one, and 6 faces.

    faces_path, embeddings_path: the generator's training set and its embeddings by the embedder `model_path`, which
    measures; guide_path: the embedder of the generator's losses, None for a ddpm. Each epoch draws the same images: as
    many as of one half of the set, at most 1,000, conditioned as in training on images of that half, each with one
    similarity m and one noise of its own, in 10 steps of DPM-Solver++; the first 16 of these images are also asked for at
    every value of m.
    Interrupted, the next call goes on with the epoch that was under way.
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
    inputs = [faces_path, embeddings_path, model_path, *([guide_path] if guide_path else []), *networks.values()]
    resume = Resume(output, provenance, inputs)
    done = resume.load() or {"value": [], "similarity": [], "faces": []}
    paths = list(networks.values())
    left = paths[len(done["value"]) :]
    with progress("draw", len(paths) * count, "images", (len(paths) - len(left)) * count) as advance:
        for path in left:
            network, spec = load_generator(path, device)
            parts = []
            for chosen in np.split(np.arange(count), range(BATCH, count, BATCH)):
                noise = draw_noise(settings.seed, chosen, np.zeros_like(chosen), spec.image_size).to(device)
                with autocast(device, settings.precision), torch.inference_mode():
                    pixels = pixels_of(faces, rows[chosen], spec).to(device)
                    training_images = TrainingImages(rows[chosen], len(faces), pixels, settings.seed)
                    predict = method.condition_training_images(training_images, network, spec, guide)
                    images = denoise(predict, spec, noise, SAMPLER, min(STEPS, spec.timesteps))
                    parts.append(nn.functional.normalize(judge.embed(images)).cpu())
                    if len(parts) == 1:
                        shown = images
                advance(len(chosen))
            if settings.takes_similarity:
                pixels = pixels_of(faces, rows[:INQUIRIES], spec).to(device)
                similarity, shown = over_similarity(settings, method, network, spec, guide, pixels)
                done["similarity"].append(similarity)
            done["faces"].append(shown[:ROWS].cpu())
            measured = compare(unit[others], torch.cat(parts).double(), audit.nearest, path.stem)
            done["value"].append(list(map(float, measured)))
            resume.save(done)
    epochs = np.array(list(networks))
    seen = np.round(epochs * len(faces)).astype(np.int64)
    value = np.array(done["value"])
    data = {"epoch": epochs, "images": seen, "name": list(MEASURES), "value": value, "null": np.array(null)}
    _, spec, _ = read_generator(paths[-1])
    asked = (np.empty(0), np.empty((len(epochs), 0, 0)))
    if settings.takes_similarity:
        asked = (method.similarities(spec, VALUES), torch.stack(done["similarity"]).numpy())
    data |= dict(zip(("m", "similarity"), asked, strict=True))
    data["faces"] = np.stack([pictures(drawn) for drawn in done["faces"]])
    conditions = pictures(pixels_of(faces, rows[:ROWS], spec))
    data["condition_faces"] = conditions if settings.conditioned_on != "nothing" else conditions[:0]
    write_artifact(output, schemas.LEARNING, data, provenance, {"count": count, "faces": faces.path.stem})
    resume.discard()


def pixels_of(faces: FaceSet, rows: np.ndarray, spec: GeneratorSpec) -> torch.Tensor:
    """Images of a face set at the generator's size, uint8 `[n, 3, s, s]`."""
    return resize(torch.from_numpy(faces.images(rows)).permute(0, 3, 1, 2), spec.image_size)


def pictures(images: torch.Tensor) -> np.ndarray:
    """Images `[n, 3, s, s]` as a sheet has them, uint8 `[n, s, s, 3]`."""
    return images.permute(0, 2, 3, 1).cpu().numpy()


def over_similarity(
    settings: Diffusion,
    method: Method,
    network: Denoiser,
    spec: GeneratorSpec,
    guide: Embedder,
    pixels: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The cosines achieved for each value of m, float32 `[M, n]` on the CPU, to images uint8 `[n, 3, s, s]` by the embedder of
    the loss, from one noise for each image; and what is drawn at the middle value, uint8 `[n, 3, s, s]`."""
    m_values, number = method.similarities(spec, VALUES), np.arange(len(pixels))
    noise = draw_noise(settings.seed, number, np.zeros_like(number), spec.image_size).to(pixels.device)
    cosines, drawn = [], []
    with torch.inference_mode():
        identity = nn.functional.normalize(guide.embed(pixels))
        for images in drawn_at(m_values, method, network, spec, identity, noise, settings.precision):
            drawn.append(images)
            cosines.append(nn.functional.cosine_similarity(guide.embed(images), identity).cpu())
    return torch.stack(cosines), drawn[len(m_values) // 2]

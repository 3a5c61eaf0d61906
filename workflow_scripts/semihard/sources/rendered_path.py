"""The path over φ between rendered identities."""

from pathlib import Path

import numpy as np

from semihard.similarity.mixup_path import PHI, path_pairs, write_path
from semihard.sources.rendered import identity_name
from semihard.sources.rendered.factors import hold
from semihard.sources.rendered.morphable import draw_identities, mix_identities
from semihard.sources.rendered.nuisance import draw_nuisance
from semihard.sources.rendered.renderer import render
from semihard.sources.settings import RenderedFaces
from semihard.storage.provenance import Provenance


def render_mixup_path(settings: RenderedFaces, model: Path | str, output: Path | str, provenance: Provenance) -> None:
    """Write the artifact "mixup_path" of a rendered set: coefficients φ α + (1 − φ) α', one nuisance along each path, that
    of the identity's first image (SynFace, ICCV 2021, identity mixup).

    model: of the embedder that measures. Raises InputError where there is one identity only.
    """
    pair = path_pairs(settings.seed, settings.per_identity, settings.identities)
    identity, partner = (numbers + settings.first_identity for numbers in pair)
    steps, phi = len(PHI), np.tile(PHI, len(identity)).astype(np.float32)
    own, other = (draw_identities(numbers, settings.seed).repeat(steps, 0) for numbers in (identity, partner))
    nuisance = hold(draw_nuisance(settings.seed, identity.repeat(steps), np.zeros(len(phi), np.int64)), settings.vary)
    images = render(mix_identities(own, other, phi), nuisance, settings.image_size)
    names = ([identity_name(settings.seed, int(k)) for k in numbers] for numbers in (identity, partner))
    write_path(images.reshape(-1, steps, *images.shape[1:]), *names, model, output, provenance)

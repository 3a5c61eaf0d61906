"""Rendered faces: a procedural morphable face, drawn here, that needs no data, no model and no licence.

As in SynFace (ICCV 2021) a face is identity alpha, expression beta, illumination gamma and pose theta; on top come camera,
hair, glasses, hat, patch, backdrop and degradation. alpha belongs to the identity, everything else to the image, and two
alphas mix to an in-between identity. Deterministic to the byte: an image hangs on (seed, identity, index) alone.

    for batch in rendered_faces(identities=100, per_identity=20, seed=0):
        batch.images  # uint8 [64, 112, 112, 3]
"""

from semihard.sources.rendered.attributes import attributes
from semihard.sources.rendered.factors import FACTORS, hold
from semihard.sources.rendered.morphable import ALPHA_DIM, BETA_DIM, draw_identities, mix_identities
from semihard.sources.rendered.nuisance import GAMMA_DIM, THETA_DIM, Nuisance, draw_nuisance
from semihard.sources.rendered.renderer import landmarks, render
from semihard.sources.rendered.stream import Batch, identity_name, rendered_faces

__all__ = [
    "ALPHA_DIM",
    "BETA_DIM",
    "FACTORS",
    "GAMMA_DIM",
    "THETA_DIM",
    "Batch",
    "Nuisance",
    "attributes",
    "draw_identities",
    "draw_nuisance",
    "hold",
    "identity_name",
    "landmarks",
    "mix_identities",
    "render",
    "rendered_faces",
]

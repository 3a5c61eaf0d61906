"""How consistent, how unique and how separable the identities of a face set are: what makes a set worth training on.

- `identities`, `images`, `inquiry_copies`: counts; copies of inquiries are in nothing but the last.
- `consistency`: share of an identity's images within r = 0.3 of its center, averaged over identities of two images
  or more (DCFace, CVPR 2023, Sec. 4.2; center: mean unit embedding; "within": cosine of at least r).
- `uniqueness`: share of identity centers that a greedy pass keeps, each below r to all kept before it (the same).
- `intra_class_similarity`: mean cosine of two images of one identity, exact, averaged over identities.
- `equal_error_rate`, `d_prime`: of sampled genuine and impostor pairs; d′ = |μ_g − μ_i| / sqrt((σ_g² + σ_i²) / 2).
- `vendi`, `vendi_within`: Vendi score of all images and mean over identities, over `vendi_images` images and over
  `vendi_within_images` of each (Friedman and Dieng, TMLR 2023; audit.vendi); the real set's are what to compare with.
- `achieved_similarity_mean`, `achieved_similarity_sd`: of the column `similarity`, images' cosine to their inquiry by the
  generator's embedder, where the set has it. `identity_similarity_mean`, `identity_similarity_sd`: of its mean over each
  identity, and `identities_…` how many identities have it in each range (CemiFace, NeurIPS 2024, Table 7).
"""

import itertools
from pathlib import Path

import numpy as np
import torch

from semihard.audit.vendi import vendi_scores
from semihard.errors import UnmeasurableError
from semihard.similarity.embedding_pairs import draw_pairs, pair_cosines, unit_embeddings
from semihard.similarity.greedy_selection import pack
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification.protocol import d_prime, equal_error_rate

SAME_PERSON = 0.3  # cosine r of DCFace (CVPR 2023, Sec. 4.2), near the operating point of its evaluation model
PAIRS = 200_000
RANGES = (0.1, 0.2, 0.3, 0.4, 0.5)  # CemiFace, Table 7


def measure_diversity(faces: Path | str, embeddings: Path | str, output: Path | str, provenance: Provenance) -> None:
    """Write the artifact "diversity" of the labelled images of `faces`: the quantities above, mostly of cosines.

    Raises UnmeasurableError where no identity has two images or there is one identity only.
    """
    images = FaceSet(faces)
    own = images.is_own()
    labelled = np.flatnonzero((images.identity >= 0) & own)
    unit = unit_embeddings(embeddings, images)[labelled]
    identity = images.identity[labelled].astype(np.int64)
    of = torch.from_numpy(identity)
    size = torch.bincount(of, minlength=len(images.identity_names))
    genuine, impostor = (pair_cosines(unit, *draw_pairs(identity, same, PAIRS, seed=0)) for same in (True, False))
    if not len(genuine) or not len(impostor):
        raise UnmeasurableError(
            f"{faces}: {len(images.identity_names)} identities in {len(labelled)} labelled images; "
            f"two identities, one of two images, are needed"
        )

    cosine = np.concatenate([genuine, impostor])
    same = np.arange(len(cosine)) < len(genuine)
    total = torch.zeros(len(size), unit.shape[1], dtype=torch.float64).index_add_(0, of, unit.double())
    center = torch.nn.functional.normalize(total).float()
    repeated = size >= 2
    within = torch.zeros(len(size)).index_add_(0, of, ((unit * center[of]).sum(1) >= SAME_PERSON).float())
    pairs_sum = total.square().sum(1) - torch.zeros(len(size), dtype=torch.float64).index_add_(
        0, of, unit.double().square().sum(1)
    )
    quantities = {
        "identities": float((size > 0).sum()),
        "images": float(len(labelled)),
        "inquiry_copies": float((~own).sum()),
        "consistency": float((within / size)[repeated].mean()),
        "uniqueness": len(pack(center[size > 0], SAME_PERSON)) / float((size > 0).sum()),
        "intra_class_similarity": float((pairs_sum / (size * (size - 1)))[repeated].mean()),
        "equal_error_rate": equal_error_rate(-cosine, same),
        "d_prime": d_prime(genuine, impostor),
        **vendi_scores(unit, identity),
    }
    if "similarity" in images.column_names:
        achieved = torch.from_numpy(images.column("similarity")[labelled].astype(np.float64))
        quantities |= similarity_by_identity(achieved, of)
    data = {"name": list(quantities), "value": list(quantities.values()), "genuine": genuine, "impostor": impostor}
    write_artifact(output, schemas.DIVERSITY, data, provenance, {"same_person_cosine": SAME_PERSON})


def similarity_by_identity(achieved: torch.Tensor, identity: torch.Tensor) -> dict[str, float]:
    """How similar images are to their inquiry, over images and over the means of identities (CemiFace, Table 7).

    achieved: float64 `[N]`, cosines; identity: int64 `[N]`. Standard deviations are those of the population.
    """
    size = torch.bincount(identity)
    mean = (torch.bincount(identity, achieved) / size)[size > 0].numpy()
    edges = [-np.inf, *RANGES, np.inf]
    named = [
        f"below_{RANGES[0]}",
        *(f"{low}_{high}" for low, high in itertools.pairwise(RANGES)),
        f"{RANGES[-1]}_or_more",
    ]
    counts = np.histogram(mean, edges)[0]
    return {
        "achieved_similarity_mean": float(achieved.mean()),
        "achieved_similarity_sd": float(achieved.std(correction=0)),
        "identity_similarity_mean": float(mean.mean()),
        "identity_similarity_sd": float(mean.std()),
        **{f"identities_{name}": float(count) for name, count in zip(named, counts, strict=True)},
    }

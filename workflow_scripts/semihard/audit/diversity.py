"""How consistent, how unique and how separable the identities of a face set are: what makes a set worth training on.

- `identities`, `images`, `inquiry_copies`: counts; copies of inquiries are in nothing but the last.
- `consistency`: share of an identity's images within r = 0.3 of its center, averaged over identities of two images
  or more (DCFace, CVPR 2023, Sec. 4.2; center: mean unit embedding; "within": cosine of at least r).
- `uniqueness`: share of identity centers that a greedy pass keeps, each below r to all kept before it (the same).
- `intra_class_similarity`: mean cosine of two images of one identity, exact, averaged over identities.
- `equal_error_rate`, `d_prime`: of sampled genuine and impostor pairs; d′ = |μ_g − μ_i| / sqrt((σ_g² + σ_i²) / 2).
- `achieved_similarity_mean`, `achieved_similarity_sd`: of the column `similarity`, where the set has it.
"""

from pathlib import Path

import numpy as np
import torch

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
    }
    if "similarity" in images.column_names:
        achieved = images.column("similarity")[labelled].astype(np.float64)
        quantities |= {
            "achieved_similarity_mean": float(achieved.mean()),
            "achieved_similarity_sd": float(achieved.std()),
        }
    data = {"name": list(quantities), "value": list(quantities.values()), "genuine": genuine, "impostor": impostor}
    write_artifact(output, schemas.DIVERSITY, data, provenance, {"same_person_cosine": SAME_PERSON})

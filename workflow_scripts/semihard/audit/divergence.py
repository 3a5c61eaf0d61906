"""How far the attributes of a synthetic set are from those of the real one, both ways (Neto et al., FG 2024):

- `real_defined`, `real_present`, `synthetic_defined`, `synthetic_present`: images with a label, with the attribute.
- `real_prevalence`, `synthetic_prevalence`: (present + 1) / (defined + 2), add-one smoothed so that every
  divergence is finite; all below is computed from these two.
- `bits_synthetic_coded_as_real`: KL(S‖R), extra bits to code the synthetic set with the real frequencies: small
  where real samples suffice to explain the synthetic ones.
- `bits_real_coded_as_synthetic`: KL(R‖S), the other way: large where the synthetic set lacks what is real.
- `total_variation`: |difference of the prevalences|.
- `held_out_accuracy`: the classifier's balanced accuracy: a difference in what it cannot see means nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.atomic import atomic_path


def compare_attributes(real: Path | str, synthetic: Path | str, output: Path | str) -> None:
    """Compare two "attributes" artifacts attribute by attribute; write a CSV of one row each, the columns above.

    Raises InputError where the two have different attributes.
    """
    r, s = (read_artifact(path, schemas.ATTRIBUTES) for path in (real, synthetic))
    if list(r["name"]) != list(s["name"]):
        raise InputError(
            f"{synthetic}: attributes {', '.join(s['name'])}, {real} has {', '.join(r['name'])}; "
            f"annotate both with one classifier"
        )
    table = pd.DataFrame({"attribute": r["name"]})
    for side, artifact in (("real", r), ("synthetic", s)):
        label = artifact["label"][artifact["own"]]
        table[f"{side}_defined"] = (label >= 0).sum(0)
        table[f"{side}_present"] = (label == 1).sum(0)
    for side in ("real", "synthetic"):
        table[f"{side}_prevalence"] = (table[f"{side}_present"] + 1) / (table[f"{side}_defined"] + 2)
    p, q = table["real_prevalence"], table["synthetic_prevalence"]
    table["bits_synthetic_coded_as_real"] = divergence(q, p)
    table["bits_real_coded_as_synthetic"] = divergence(p, q)
    table["total_variation"] = (p - q).abs()
    table["held_out_accuracy"] = r["held_out_accuracy"]
    with atomic_path(output) as temporary:
        table.to_csv(temporary, index=False)


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p‖q) in bits of coins of probabilities p and q: extra bits per image to code p with the best code for q."""
    return (rel_entr(p, q) + rel_entr(1 - p, 1 - q)) / np.log(2)

"""The card of a generator that is given away: what it is, what it was trained on, how it obeys m, and on what terms."""

from collections.abc import Iterator, Mapping

import numpy as np

from semihard.generator.model_file import GeneratorSpec
from semihard.storage.card import NOT_STATED, card, knobs, licence_lines, settings_of, table_of

USE = """```python
from semihard.generator.pipeline import FacePipeline

pipeline = FacePipeline.from_pretrained("{name}")
faces = pipeline({arguments})
faces.images[0].save("face.png")
```"""


def model_card(
    name: str, licence: str, spec: GeneratorSpec, training: Mapping, trained_on: Mapping, calibration: Mapping
) -> str:
    """Markdown, with the Hub's metadata at its head.

    training: the provenance of the training; trained_on: what its face set says of itself; calibration: the artifact. Of the
    three what is empty is left out, and said to be not stated where a user has to know it.
    """
    head = [*licence_lines(licence), "library_name: diffusers", "tags: [face-recognition, synthetic-data]"]
    facts = {
        "method": spec.method,
        "network": spec.network,
        "pixels": f"{spec.image_size} × {spec.image_size}",
        "trained on": trained_on.get("source") or settings_of(training.get("settings")).get("trained_on") or NOT_STATED,
        "licence of what it was trained on": trained_on.get("licence") or NOT_STATED,
        "licence of these weights": licence,
    }
    if "m_min" in spec.options:
        facts["similarities m it was trained on"] = f"{spec.options['m_min']:g} … {spec.options['m_max']:g}"
    arguments = "photographs, m=0.0, per_inquiry=8" if spec.embedding_dim else "per_inquiry=8"
    lines = ["Draws synthetic faces.", "", USE.format(name=name, arguments=arguments)]
    if spec.embedding_dim:
        lines += [
            "",
            "`photographs`: aligned as ArcFace aligns, PIL images or uint8 RGB `[n, h, w, 3]`; embeddings serve, too.",
        ]
    lines += ["", *table_of(facts)]
    if calibration:
        lines += ["", "## Similarity asked for and achieved", "", *_calibration(calibration)]
    lines += knobs("Trained with", training.get("settings"))
    return card(head, name, lines)


def _calibration(calibration: Mapping) -> Iterator[str]:
    """A table of m and the mean similarity that every embedder measures."""
    names = list(calibration["embedder"])
    means = np.asarray(calibration["similarity"]).mean((2, 3))
    yield f"| m | {' | '.join('the embedder of the loss' if name == 'loss' else name for name in names)} |"
    yield f"|---|{'---|' * len(names)}"
    for k, m in enumerate(calibration["m"]):
        yield f"| {m:.2f} | {' | '.join(f'{value:.3f}' for value in means[:, k])} |"

"""The card of an exported face set: what it is, of what and how it was made, on what terms, and what audits found of it."""

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from semihard.sources.labelled_faces import LabelledFaces
from semihard.storage.card import card, knobs, table_of

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
DRAWN_BY = (("m", "similarity m asked for"), ("phi", "φ of the identity mixup"))  # columns of a synthetic set
NOT_STATED = "not stated; ask whoever made it before you use or pass it on"


def dataset_card(labelled: LabelledFaces, read_by: str, audit: Mapping, hub: Sequence[str] = ()) -> str:
    """Markdown, with the Hub's metadata at its head. read_by, hub: a sentence and lines of metadata of the form that it is
    exported in; audit: what `describe_face_set` found; may be empty."""
    about, name = labelled.about(), labelled.faces.path.stem
    count = int(about["images"])
    size = next((said for limit, said in SIZES if count < limit), "n>10M")
    head = ["license: other", f"pretty_name: {json.dumps(name, ensure_ascii=False)}", "tags: [face-recognition]"]
    head += [f"size_categories: [{size}]", *hub]
    height, width = labelled.faces.image_size
    facts = {
        "images": f"{count:,}",
        "identities": f"{about['identities']:,}",
        "pixels (height × width)": f"{height} × {width}",
        "source": about.get("source", "") or "not stated",
        "alignment": about.get("alignment", "") or "not stated",
        "licence": about.get("licence", "") or NOT_STATED,
        "two labels with a weight": "yes" if about["mixed_labels"] else "no",
    }
    drawn_by = DRAWN_BY if about["mixed_labels"] else DRAWN_BY[:1]
    facts |= {
        said: _values(labelled.faces.column(name)) for name, said in drawn_by if name in labelled.faces.column_names
    }
    lines = [read_by, "", *table_of(facts)]
    lines += knobs(f"Made by `{about.get('rule', '')}`", about.get("settings"))
    if numbers := list(_numbers(audit)):
        lines += ["", "## What audits found", "", "| of | quantity | value |", "|---|---|---|", *numbers]
    return card(head, name, lines)


def _values(column: np.ndarray) -> str:
    """The values of a column, where they are few, else the least and the greatest."""
    values = np.unique(column[np.isfinite(column)])
    return ", ".join(f"{value:g}" for value in values) if len(values) <= 5 else f"{values[0]:g} … {values[-1]:g}"


def _numbers(audit: Mapping) -> Iterator[str]:
    """A line per number of leakage, duplicates, diversity and fidelity, with its interval."""
    parts = {f"leakage, against {name}": part for name, part in audit.get("leakage", {}).items()}
    parts |= {name: audit[name] for name in ("duplicates", "diversity", "fidelity") if name in audit}
    for part, quantities in parts.items():
        for name, number in quantities.items() if isinstance(quantities, Mapping) else ():
            if isinstance(number, Mapping) and isinstance(number.get("value"), int | float):
                low, high = number.get("low"), number.get("high")
                interval = f" [{low:.4g}, {high:.4g}]" if low is not None and high is not None else ""
                yield f"| {part} | {name.replace('_', ' ')} | {number['value']:.4g}{interval} |"

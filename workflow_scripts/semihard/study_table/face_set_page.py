"""What is this face set? Everything that the audits found of one set: a page for people, and JSON for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.errors import UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes
from semihard.storage.atomic import atomic_path
from semihard.storage.faceset import FaceSet
from semihard.storage.schema import Schema
from semihard.study_table.face_sets import count_faces
from semihard.study_table.html_pieces import escape, table, whole_page
from semihard.study_table.html_pieces import pictures as pictures_of

Quantities = dict[str, dict[str, float | None]]


def describe_face_set(
    faces: Path | str,
    outputs: Mapping[str, Path | str],
    leakages: Sequence[Path | str] = (),
    duplicates: Path | str | None = None,
    diversity: Path | str | None = None,
    fidelity: Path | str | None = None,
    compared: Mapping[str, Path | str] | None = None,
    pictures: Sequence[Path | str] = (),
) -> None:
    """Write the page (`outputs["page"]`, HTML that needs nothing else) and the same as JSON (`outputs["json"]`).

    leakages: artifacts "leakage" of the set; duplicates, diversity, fidelity: artifacts of those kinds; compared: the CSV `sets`
    and `together` of `compare_attributes`; pictures: PNG sheets that are shown at the end. What could not be measured of
    the set says so. JSON: `faceset`, then `facts`, `leakage` by reference, `duplicates`, `diversity`, `fidelity`,
    `attributes`, `divergence`; a number with an interval is {value, low, high}, one without has null there.
    """
    images = FaceSet(faces)
    found: dict = {"faceset": images.path.stem, "facts": _facts(images), "leakage": {}}
    for path in leakages:
        about, numbers = _quantities(path, schemas.LEAKAGE)
        found["leakage"][Path(path).stem] = about | numbers
    for name, path, schema in (
        ("duplicates", duplicates, schemas.DUPLICATES),
        ("diversity", diversity, schemas.DIVERSITY),
    ):
        if path:
            about, numbers = _quantities(path, schema)
            found[name] = about | numbers
    if fidelity:
        found["fidelity"] = _fidelity(fidelity)
    for key, name in (("sets", "attributes"), ("together", "divergence")):
        if compared:
            found[name] = _rows(pd.read_csv(compared[key]), images.path.stem)
    with atomic_path(outputs["json"]) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    with atomic_path(outputs["page"]) as temporary:
        temporary.write_text(_page(found, pictures), encoding="utf-8")


def _facts(images: FaceSet) -> dict:
    own = images.is_own()
    sizes = np.bincount(images.identity[own & (images.identity >= 0)])
    sizes = sizes[sizes > 0]
    kept = {name: str(images.attrs.get(name, "")) for name in ("source", "licence", "alignment")}
    made = {name: str(images.attrs.get(name, "")) for name in ("rule", "settings")}
    return {
        **count_faces(images),
        "images_per_identity_median": float(np.median(sizes)) if len(sizes) else None,
        "unlabelled_images": int((own & (images.identity < 0)).sum()),
        "image_height": images.image_size[0],
        "image_width": images.image_size[1],
        **kept,
        "made_by": made["rule"],
        "settings": json.loads(made["settings"] or "{}"),
    }


def _quantities(path: Path | str, schema: Schema) -> tuple[dict, Quantities]:
    """The attributes of an artifact in words, and its quantities; of one that could not be measured, why."""
    try:
        data, attrs = read_artifact(path, schema), read_attributes(path, schema)
    except UnmeasurableError as problem:
        return {"unmeasured": str(problem)}, {}
    intervals = data.get("interval", np.full((len(data["name"]), 2), np.nan))
    numbers = {
        name: {"value": _finite(value), "low": _finite(low), "high": _finite(high)}
        for name, value, (low, high) in zip(data["name"], data["value"], intervals, strict=True)
    }
    about = {name: str(attrs[name]) for name in ("reference", "role", "null") if name in attrs}
    if "is_reference" in attrs:
        about["is_reference"] = bool(attrs["is_reference"])
    return about, numbers


def _fidelity(path: Path | str) -> dict:
    try:
        data = read_artifact(path, schemas.FIDELITY)
    except UnmeasurableError as problem:
        return {"unmeasured": str(problem)}
    return {
        str(features): {
            str(name): {"value": _finite(data["value"][i, j]), "null": _finite(data["null"][i, j])}
            for j, name in enumerate(data["name"])
        }
        for i, features in enumerate(data["features"])
    }


def _rows(table: pd.DataFrame, faceset: str) -> list[dict]:
    columns = [name for name in ("faceset", "first", "second") if name in table]
    own = table[(table[columns] == faceset).any(axis=1)] if columns else table
    rows = own.astype(object).where(own.notna(), None).to_dict("records")
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(found: dict, pictures: Sequence[Path | str]) -> str:
    title = f"What is {found['faceset']}?"
    facts = [(k, v) for k, v in found["facts"].items() if k != "settings"]
    parts = [f"<h1>{escape(title)}</h1>", _table(facts)]
    parts.append(f"<p class=grey>Made from: <code>{escape(json.dumps(found['facts']['settings']))}</code></p>")
    for reference, part in found["leakage"].items():
        parts.append(f"<h2>Are its faces those of {escape(reference)}?</h2>")
        parts.append(_leakage(part) + _numbers(part))
    for name, heading in (
        ("duplicates", "Is anything in it twice?"),
        ("diversity", "Are its identities consistent, distinct and varied?"),
    ):
        if name in found:
            parts.append(f"<h2>{heading}</h2>" + _numbers(found[name]))
    if "fidelity" in found:
        parts.append("<h2>How near is it to the real set?</h2>" + _fidelity_table(found["fidelity"]))
    if found.get("attributes"):
        parts.append("<h2>Who is in it, by predicted appearance?</h2>" + _attributes(found["attributes"]))
    if found.get("divergence"):
        parts.append("<h2>What sets it apart from others?</h2>" + _divergence(found["divergence"]))
    for path, picture in pictures_of(pictures).items():
        name = escape(Path(path).stem)
        parts.append(f"<h2>{name}</h2>{picture.tag(f'Sheet of images: {Path(path).stem}')}")
    return whole_page(title, f"<main>{''.join(parts)}</main>")


def _table(rows: Sequence[tuple], header: Sequence[str] = ()) -> str:
    """Of rows that begin with an identifier."""
    return table([(str(name).replace("_", " "), *values) for name, *values in rows], header)


def _numbers(part: Mapping) -> str:
    if "unmeasured" in part:
        return f"<p class=grey>Not measured: {escape(part['unmeasured'])}</p>"
    rows = []
    for name, number in part.items():
        if isinstance(number, dict):
            within = f"[{number['low']:.4g}, {number['high']:.4g}]" if number["low"] is not None else ""
            rows.append((name, number["value"], within))
    return _table(rows)


def _leakage(part: Mapping) -> str:
    if "unmeasured" in part:
        return ""
    value = {name: part[name]["value"] for name in ("matching", "matching_null", "copied", "images")}
    same = " Nearly all its images are images of the reference." if part.get("is_reference") else ""
    return (
        f"<p>{100 * value['matching']:.1f} % of its images match one of the reference ({escape(part['role'])}); of people "
        f"who are not in it ({escape(part['null'])}) {100 * value['matching_null']:.1f} % do. {int(value['copied'])} of "
        f"{int(value['images'])} are the very photograph.{same}</p>"
    )


def _fidelity_table(part: Mapping) -> str:
    if "unmeasured" in part:
        return _numbers(part)
    rows = [
        (f"{name} ({features})", number["value"], number["null"])
        for features, numbers in part.items()
        for name, number in numbers.items()
    ]
    return _table(rows, ("measure", "of the set", "of two halves of the real set"))


def _attributes(rows: list[dict]) -> str:
    told = [row for row in rows if "attribute" in row]
    if not told:
        return "".join(f"<p class=grey>Not measured: {escape(row['unmeasured'])}</p>" for row in rows)
    lines = [
        (
            row["attribute"] if row["seen"] else f"{row['attribute']} (not seen by the classifier)",
            f"{100 * row['prevalence']:.1f} % [{100 * row['prevalence_low']:.1f}, {100 * row['prevalence_high']:.1f}]",
            f"{100 * row['undefined_share']:.0f} %",
            f"{row['consistency']:.2f}" if "consistency" in row else "",
            f"{100 * row['held_out_accuracy']:.0f} %",
        )
        for row in told
    ]
    return _table(lines, ("attribute", "prevalence", "undefined", "consistency within identities", "classifier"))


def _divergence(rows: list[dict]) -> str:
    lines = [
        (
            row["kind"],
            row["first"],
            row["second"],
            row["bits_first_coded_as_second"],
            row["bits_second_coded_as_first"],
            row["floor"],
            f"{row['asymmetry']:.3f} [{row['asymmetry_low']:.3f}, {row['asymmetry_high']:.3f}]",
            row.get("claim", ""),
        )
        for row in rows
        if "kind" in row
    ]
    header = ("attributes", "P", "Q", "KL(P‖Q), bits", "KL(Q‖P), bits", "floor", "difference", "in words")
    return _table(lines, header) if lines else ""

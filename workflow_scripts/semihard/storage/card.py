"""What the cards of all that is given away have in common."""

import json
import re

MADE = "Made with semihard. `SHA256SUMS` has the checksums of all files: `sha256sum -c SHA256SUMS`."


NOT_STATED = "not stated"


def licence_lines(licence: str) -> list[str]:
    """What the head of a card, the Hub's metadata, says of a licence: by its name, or as another one."""
    if re.fullmatch(r"[a-z0-9.\-]+", licence.lower()):
        return [f"license: {licence.lower()}"]
    return ["license: other", f"license_name: {json.dumps(licence, ensure_ascii=False)}"]


def settings_of(text: object) -> dict[str, object]:
    """The knobs of a rule, as provenance keeps them (JSON); none where it keeps none."""
    try:
        values = json.loads(str(text))
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def knobs(title: str, text: object) -> list[str]:
    """The lines of a section with the table of these knobs; none where there are none."""
    rows = [
        f"| `{key}` | {json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value} |"
        for key, value in settings_of(text).items()
    ]
    return ["", f"## {title}", "", "| knob | value |", "|---|---|", *rows] if rows else []

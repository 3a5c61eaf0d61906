"""What the cards of all that is given away have in common."""

import json
import re
from collections.abc import Mapping

MADE = "Made with semihard. `SHA256SUMS` has the checksums of all files: `sha256sum -c SHA256SUMS`."


NOT_STATED = "not stated"


def licence_lines(licence: str) -> list[str]:
    """What the head of a card, the Hub's metadata, says of a licence: by its name, or as another one."""
    if re.fullmatch(r"[a-z0-9.\-]+", licence.lower()):
        return [f"license: {licence.lower()}"]
    return ["license: other", f"license_name: {json.dumps(licence, ensure_ascii=False)}"]


def card(head: list[str], title: str, lines: list[str]) -> str:
    """A card in Markdown: the Hub's metadata at its head, its title, its lines, and how it is checked."""
    return "\n".join(["---", *head, "---", "", f"# {title}", "", *lines, "", MADE, ""])


def table_of(facts: Mapping[str, object]) -> list[str]:
    """The lines of a table of facts by what they are called."""
    return ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())]


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

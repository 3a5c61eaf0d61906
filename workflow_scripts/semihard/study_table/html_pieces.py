"""Pieces of a page that is one HTML file and needs no other: every text is escaped, every picture is inside."""

import base64
import html
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

BASE = """
:root { color-scheme: light }
body { font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff; margin: 0 }
main { box-sizing: border-box; width: 100%; max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { line-height: 1.2; margin: .5rem 0 }
h2 { margin-top: 3rem }
ul, ol { padding-left: 1.3rem }
h1, h2, h3, p, li, summary, code { overflow-wrap: anywhere }
code { font-size: .92em }
img { max-width: 100%; height: auto; display: block }
.box { overflow-x: auto; margin: .5rem 0; background:  /* a shadow where there is more to the right */
  linear-gradient(to left, #fff 50%, #fff0) right / 3rem 100% no-repeat local,
  linear-gradient(to left, #0003, #0000) right / .7rem 100% no-repeat scroll }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4 }
tbody th { font-weight: 400; white-space: nowrap }
tbody th.long { min-width: min(13rem, 38vw); white-space: normal }
th[scope=col] { vertical-align: bottom }
td.n, th.n { text-align: right }
td.n { white-space: nowrap }
.grey { color: #595959 }
@media print {
  main { max-width: none }
  figure, table { break-inside: avoid }
  h2, h3 { break-after: avoid }
}
"""
NUMBER = re.compile(r"[-−+]?[\d.,]+( ?%)?( ± [\d.]+)?( [\[(][^A-Za-z]*[\])])?")
LONG = 24  # letters of a row's header, which may be wrapped
KEPT_AS_PNG = 250_000  # bytes: what is larger becomes a JPEG
STEPS = ((85, 1400), (78, 1000), (70, 700), (60, 480))  # quality and greatest width of JPEGs, till all fit
MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "SVG": "image/svg+xml"}


def escape(text: object) -> str:
    """As text or in the quotes of an attribute."""
    return html.escape(str(text))


def table(rows: Iterable[Sequence], header: Sequence[str] = (), name: str = "") -> str:
    """A table in a box of its own, which scrolls where it is wider than the page; the first cell of a row is its header.

    Floats are rounded to four significant digits; None and NaN are empty; numbers, and texts of one, stand at the right.
    name: what the box is called for who does not see it.
    """
    texts = [["" if v is None else number(v) if isinstance(v, float) else str(v) for v in row] for row in rows]
    right = [all(NUMBER.fullmatch(text) for text in column if text) for column in zip(*texts, strict=True)] or [
        False
    ] * len(header)
    side = ["", *(" class=n" if one else "" for one in right[1:])]
    lines = [
        "".join(
            f"<td{side[place]}>{escape(text)}</td>" if place else _row_header(text) for place, text in enumerate(row)
        )
        for row in texts
    ]
    head = "".join(f"<th scope=col{side[place]}>{escape(text)}</th>" for place, text in enumerate(header))
    head = f"<thead><tr>{head}</tr></thead>" if header else ""
    told = f' role=region tabindex=0 aria-label="{escape(name)}"' if name else ""
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div class=box{told}><table>{head}<tbody>{body}</tbody></table></div>"


def _row_header(text: str) -> str:
    return f"<th scope=row{' class=long' if len(text) > LONG else ''}>{escape(text)}</th>"


def number(value: float) -> str:
    """Four significant digits, but all of a whole number; NaN is empty."""
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if math.isfinite(value) and (value.is_integer() or abs(value) >= 1e4) else f"{value:.4g}"


def fold_out(summary: str, inside: str, is_open: bool = False) -> str:
    """What opens and closes on a click; inside: HTML."""
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>{inside}</details>"


@dataclass(frozen=True)
class Picture:
    """kind: PNG, JPEG or SVG; data: its bytes; width, height: in pixels of the page."""

    kind: str
    data: bytes
    width: int
    height: int

    def tag(self, alt: str) -> str:
        """The picture in the page."""
        blob = base64.b64encode(self.data).decode()
        size = f"width={self.width} height={self.height}"
        return f'<img alt="{escape(alt)}" {size} src="data:{MIME[self.kind]};base64,{blob}">'


def pictures(paths: Iterable[Path | str], most: float = math.inf) -> dict[str, Picture]:
    """Pictures to embed, by path, as `picture` has them; where their bytes are more than `most`, those of pixels at the first
    of `STEPS` at which they are fewer, or at the last."""
    found = {str(path): picture(path) for path in paths}
    for quality, width in STEPS[1:]:
        if sum(len(one.data) for one in found.values()) < most:
            break
        found = {path: _as_jpeg(one, quality, width) for path, one in found.items()}
    return found


def picture(path: Path | str, width: int = STEPS[0][1]) -> Picture:
    """One picture to embed: SVG and small PNG as they are, a large PNG as a JPEG, at most that wide, where that is smaller."""
    data = Path(path).read_bytes()
    if Path(path).suffix == ".svg":
        return Picture("SVG", data, *_size_of_svg(data))
    with Image.open(io.BytesIO(data)) as image:
        whole = Picture("PNG", data, *image.size)
    return _as_jpeg(whole, STEPS[0][0], width) if len(data) > KEPT_AS_PNG else whole


def _as_jpeg(one: Picture, quality: int, width: int) -> Picture:
    """A picture of pixels as a JPEG, at most that wide; itself where that is no smaller, or it is a drawing."""
    if one.kind == "SVG":
        return one
    size = (min(width, one.width), max(1, round(one.height * min(1, width / one.width))))
    stream = io.BytesIO()
    with Image.open(io.BytesIO(one.data)) as image:
        image.convert("RGB").resize(size).save(stream, "JPEG", quality=quality)
    return Picture("JPEG", stream.getvalue(), *size) if stream.tell() < len(one.data) else one


def _size_of_svg(data: bytes) -> tuple[int, int]:
    """120 pixels an inch, at which the letters of a chart are as large as the page's small ones."""
    sizes = dict(re.findall(rb'\b(width|height)="([\d.]+)pt"', data[:2000]))
    width, height = (float(sizes.get(side, b"486")) for side in (b"width", b"height"))
    return round(width * 120 / 72), round(height * 120 / 72)


def whole_page(title: str, body: str, style: str = "") -> str:
    """The file; body: HTML."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{BASE}{style}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>\n"

"""The report of a study: one HTML file that opens on what was found and needs nothing else."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from semihard.storage.artifacts import attributes_of
from semihard.storage.atomic import atomic_path
from semihard.study_table.findings import (
    found_in_calibrations,
    found_in_leakages,
    found_in_table,
    found_over_similarity,
    own_lines,
    unmeasured,
    unmeasured_attributes,
)
from semihard.study_table.formats import cells
from semihard.study_table.html_pieces import Picture, escape, fold_out, picture, pictures, table, whole_page

STYLE = """
header p { font-size: 1.1rem }
nav a { color: #222 }
h3 { margin: 1.5rem 0 .3rem }
figure { margin: .5rem 0 1rem }
details { margin: .5rem 0 }
summary { cursor: pointer }
pre { overflow-x: auto; background: #f6f6f6; padding: .8rem; font-size: .85rem }
.many { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)) }
.many > * { min-width: 0 }
.many h3 { margin-top: .5rem }
.many img { max-height: 50rem; width: auto }
.side { display: none }
@media (min-width: 70rem) {
  body { display: grid; grid-template-columns: 14rem minmax(0, 1fr) }
  .side { display: block; position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto;
    padding: 1rem; font-size: .9rem; box-sizing: border-box }
  .inline { display: none }
}
@media print {
  body { display: block }
  .many { grid-template-columns: 1fr 1fr }
  .side, .inline, details:not([open]) { display: none }
}
"""
MOST_BYTES = 7_000_000  # of pictures; a third more as text
MOST_ROWS = 60  # of a table in the page
MOST_LINES = 12  # of the headline's table


@dataclass(frozen=True)
class Contents:
    """What a report shows, every path relative to its folder.

    title, question: what the study is called, and what it asked, in a line; sections: each with `heading` and `parts`; a
    part has `title`, `how` (to read it: paragraphs, with ``code``; "" where it is read as the one before), `picture` (or "")
    and `table`; opening: the part whose picture the page opens on, or none; scores, series, attributes: CSV of the study table,
    of accuracy over similarity and of the attributes of sets, or ""; benchmarks: of the table; synthetic: face sets that a
    generator drew; mixed_in: recognizer → face set of real images that it sees besides; calibrations: generator → artifact;
    leakages: artifacts; measures: what was measured → artifact that may say why it was not; left_out: what is not in the
    study and why; made: artifacts whose provenance is shown; configuration: the study's, as YAML.
    """

    title: str
    question: str
    sections: Sequence[Mapping]
    configuration: str
    opening: Mapping = field(default_factory=dict)
    scores: str = ""
    series: str = ""
    benchmarks: Sequence[str] = ()
    synthetic: Sequence[str] = ()
    mixed_in: Mapping[str, str] = field(default_factory=dict)
    calibrations: Mapping[str, str] = field(default_factory=dict)
    leakages: Sequence[str] = ()
    attributes: str = ""
    measures: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    made: Sequence[str] = ()


def write_report(page: Path | str, contents: Contents) -> None:
    """Write the report of a study as one HTML file, in the folder that all paths of `contents` are relative to. The same
    inputs give the same bytes."""
    folder = Path(page).parent
    scores, notes = read_table(folder / contents.scores) if contents.scores else (pd.DataFrame(), [])
    shown = [part["picture"] for section in contents.sections for part in section["parts"] if part["picture"]]
    embedded = pictures([folder / name for name in shown], MOST_BYTES)
    headings = ["What was found", *(section["heading"] for section in contents.sections)]
    headings += ["The study as it ran", "How to make it again"]
    body = [_header(contents, scores, _list_of(headings)), _found(contents, folder, scores)]
    for place, section in enumerate(contents.sections, 1):
        parts = [_parts(group, folder, embedded, contents, (scores, notes)) for group in _groups(section["parts"])]
        body.append(_section(place, section["heading"], "".join(parts)))
    body.append(_section(len(headings) - 2, headings[-2], _as_it_ran(contents, folder)))
    body.append(_section(len(headings) - 1, headings[-1], AGAIN))
    side = f'<nav class=side aria-label="Contents">{_list_of(headings)}</nav>'
    with atomic_path(page) as temporary:
        text = whole_page(contents.title, f"{side}<main>{''.join(body)}</main>", STYLE)
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # a path need not be UTF-8


AGAIN = (
    "<p>Save the configuration above as <code>study.yaml</code> in a checkout of semihard, have the files that it names in their "
    "places, and run</p><pre>snakemake --cores all --configfile study.yaml</pre><p>The same configuration, files and code give "
    "the same artifacts on the same machine. Where the code's fingerprints differ from those above, those stages run other code "
    "than here. In the folder of this page lie the figures and their tables (<code>figures</code>), the study table as Markdown "
    "and LaTeX (<code>study</code>), a page of each audited face set (<code>audit/pages</code>) and every artifact.</p>"
)


def read_table(path: Path | str) -> tuple[pd.DataFrame, list[str]]:
    """A CSV of the workflow and the notes in its first lines, which begin with #. Names are text, whatever they spell."""
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    begin = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    text = {"seeds": str, "best_epoch": str, "label": str, "faceset": str}
    found = pd.read_csv(io.StringIO("".join(lines[begin:])), keep_default_na=False, na_values=[""], dtype=text)
    return found.fillna({"faceset": ""}), [line[1:].strip() for line in lines[:begin]]


def _list_of(headings: Sequence[str]) -> str:
    lines = (f'<li><a href="#s{place}">{escape(heading)}</a></li>' for place, heading in enumerate(headings))
    return f"<ol>{''.join(lines)}</ol>"


def _section(place: int, heading: str, inside: str) -> str:
    return f"<section id=s{place}><h2>{escape(heading)}</h2>{inside}</section>"


def _header(contents: Contents, scores: pd.DataFrame, headings: str) -> str:
    found = f"<header><h1>{escape(contents.title)}</h1><p>{escape(contents.question)}</p>"
    found += (
        f"<nav class=inline aria-label=Contents><details><summary>Contents</summary>{headings}</details></nav></header>"
    )
    if scores.empty:
        return found
    own = own_lines(scores)
    real = own["label"] == own["gap_reference"]
    first = own[real | own["AVG"].rank(ascending=False, method="first", na_option="bottom").le(MOST_LINES - real.sum())]
    header, rows = cells(first, contents.benchmarks, str, "{}")
    named = (header.index(name) for name in ("trained on", "AVG", "gap, points", *contents.benchmarks))
    kept = [place for place in named if any(row[place] for row in rows)]
    rows = [[row[place] for place in kept] for row in rows]
    less = f" The {len(own) - len(first)} other lines stand below." if len(first) < len(own) else ""
    note = f"Accuracy in percent ± deviation over folds; AVG and gap with their 95 % intervals over pairs.{less}"
    found += table(rows, [header[place] for place in kept], "Accuracy and gap to real")
    return f"{found}<p class=grey>{note}</p>"


def _found(contents: Contents, folder: Path, scores: pd.DataFrame) -> str:
    sentences = [] if scores.empty else found_in_table(scores, contents.synthetic, contents.mixed_in)
    sentences += found_over_similarity(read_table(folder / contents.series)[0]) if contents.series else []
    sentences += found_in_calibrations({name: folder / path for name, path in contents.calibrations.items()})
    sentences += found_in_leakages([folder / path for path in contents.leakages])
    missing = [*contents.left_out, *unmeasured({name: folder / path for name, path in contents.measures.items()})]
    missing += unmeasured_attributes(read_table(folder / contents.attributes)[0]) if contents.attributes else []
    parts = [_points(sentences or ["This study makes face sets, and measures nothing of them."])]
    parts += ["<p>Not measured:</p>", _points(missing)] if missing else []
    if first := contents.opening:
        shown = picture(folder / first["picture"], width=1000).tag(first["title"])
        parts.append(f"<figure>{shown}<figcaption class=grey>{_how(first['how'])}</figcaption></figure>")
    return _section(0, "What was found", "".join(parts))


def _points(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _how(text: str) -> str:
    """Paragraphs of a caption as HTML."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    text = "".join(f"<p>{escape(one)}</p>" for one in paragraphs)
    return re.sub("``(.+?)``", r"<code>\1</code>", text)


def _groups(parts: Sequence[Mapping]) -> list[list[Mapping]]:
    """Parts that are read alike: each begins with one that says how."""
    groups: list[list[Mapping]] = []
    for part in parts:
        groups += [[]] if part["how"] or not groups else []
        groups[-1].append(part)
    return groups


def _parts(
    group: Sequence[Mapping],
    folder: Path,
    embedded: Mapping[str, Picture],
    contents: Contents,
    study_table: tuple[pd.DataFrame, list[str]],
) -> str:
    shown = []
    for part in group:
        inside = f"<h3>{escape(part['title'])}</h3>" + (_how(part["how"]) if len(group) == 1 else "")
        if part["picture"]:
            inside += embedded[str(folder / part["picture"])].tag(part["title"])
        is_study_table = part["table"] == contents.scores
        found, notes = study_table if is_study_table else read_table(folder / part["table"])
        if is_study_table:
            header, rows = cells(found, contents.benchmarks, str, "{}")
            inside += table(rows, header, part["title"])
        inside += _numbers(found, notes, part, is_open=not (part["picture"] or is_study_table))
        shown.append(f"<figure>{inside}</figure>" if part["picture"] else f"<div>{inside}</div>")
    return "".join(shown) if len(group) == 1 else f"{_how(group[0]['how'])}<div class=many>{''.join(shown)}</div>"


def _numbers(found: pd.DataFrame, notes: Sequence[str], part: Mapping, is_open: bool) -> str:
    """The part's table of numbers, to fold out unless it is all that there is to see; of a long one the first rows."""
    rows = found.head(MOST_ROWS).astype(object).itertuples(index=False)
    shown = table(rows, list(found.columns), part["title"]) + (_points(notes) if notes else "")
    first = f"the first {MOST_ROWS} of {len(found)} rows" if len(found) > MOST_ROWS else f"{len(found)} rows"
    path = part["table"]
    link = (
        f'<p class=grey>All digits: <a href="{escape(quote(path))}">{escape(path)}</a> in the folder of this page.</p>'
    )
    return fold_out(f"Numbers: {first}", shown + link, is_open)


def _as_it_ran(contents: Contents, folder: Path) -> str:
    told, lines = f"<pre tabindex=0>{escape(contents.configuration)}</pre>", contents.configuration.count("\n") + 1
    made: dict[tuple[str, str, str], int] = {}
    for path in contents.made:
        about = attributes_of(folder / path)
        versions = ", ".join(f"{name} {one}" for name, one in json.loads(about.get("versions", "{}")).items())
        key = (str(about.get("rule", "")), str(about.get("code", "")), versions)
        made[key] = made.get(key, 0) + 1
    rows = [(rule, count, code, versions) for (rule, code, versions), count in sorted(made.items())]
    header: tuple[str, ...] = ("rule", "artifacts", "fingerprint of its code", "packages")
    if len({versions for *_, versions in rows}) == 1:  # as where one environment made the study
        alike = f"<p>All with {escape(rows[0][-1])}.</p>"
        rows, header = [row[:-1] for row in rows], header[:-1]
    else:
        alike = ""
    configuration = fold_out(f"The configuration, with every default that is in force: {lines} lines", told)
    return (
        f"{configuration}<p>Who made the artifacts that this page shows, and by what code (<code>docs/reruns.md</code>):</p>"
        f"{table(rows, header, 'Code and versions')}{alike}"
    )

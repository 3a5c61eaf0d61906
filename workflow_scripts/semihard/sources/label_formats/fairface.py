"""FairFace's age, gender and race as 17 attributes (Kärkkäinen and Joo, WACV 2021).

A spreadsheet takes the ages 3-9 and 10-19 for dates and writes 03-Sep and Oct-19: such copies are about.
"""

import logging
import re
from functools import partial

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.attribute_names import AGES, GROUPS
from semihard.sources.label_join import LabelJoin
from semihard.sources.label_table import ABSENT, PRESENT, Column, chosen, read_labels
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import TextTable, csv_head

NAMES = {"fairface": {"knobs": ("key", "repair_dates")}}
log = logging.getLogger("semihard")
KEYS = ("key", "file")
TELLS = ("age", "gender", "race")
DATES = {  # as spreadsheets of either order of day and month write them; no other age gives these
    "3-9": re.compile(r"0?3-sep|sep-0?3|0?9-mar|mar-0?9", re.I),
    "10-19": re.compile(r"oct-19|19-oct", re.I),
}


def read(settings: AttributeLabels) -> LabelJoin:
    """Keys are in the column `key` (a record's number) or, where there is none, `file`."""
    path = expand_path(settings.path)
    head = csv_head(path)
    key = settings.key or next((name for name in KEYS if name in head), KEYS[-1])
    if missing := [name for name in (*TELLS, *([key] if key != "row" else [])) if name not in head]:
        raise InputError(f"{path}: has no column {missing[0]!r}; it has {', '.join(head)}")
    age = Column("age", AGES, partial(_age, repair=settings.repair_dates))
    columns = [age, Column("gender", ("Male",), _male), Column("race", GROUPS, _group)]
    labels = read_labels(TextTable(path, head, first=2), key, chosen(settings, path, columns))
    for meant, date in DATES.items():
        if count := sum(times for text, times in labels.texts.get("age", {}).items() if date.fullmatch(text)):
            log.warning("%s: %d ages that a spreadsheet took for dates were read as %s", path, count, meant)
    return LabelJoin(settings, labels)


def _one_of(names: tuple[str, ...], name: str) -> list[int]:
    return [PRESENT if name == other else ABSENT for other in names]


def _age(text: str, repair: bool) -> list[int]:
    for meant, date in DATES.items():
        if date.fullmatch(text):
            if not repair:
                raise ValueError(
                    f"was {meant} until a spreadsheet took it for a date: get the original file, or set repair_dates: true"
                )
            text = meant
    name = "Age_70_or_more" if text.casefold() in ("more than 70", "70+") else f"Age_{text.replace('-', '_')}"
    if name not in AGES:
        raise ValueError("is no age of FairFace: 0-2, 3-9, 10-19, … 60-69, more than 70")
    return _one_of(AGES, name)


def _male(text: str) -> list[int]:
    if text.casefold() not in ("male", "female"):
        raise ValueError("is neither Male nor Female")
    return [PRESENT if text.casefold() == "male" else ABSENT]


def _group(text: str) -> list[int]:
    name = "_".join(re.findall(r"[a-z]+", text.casefold())).title()
    if name not in GROUPS:
        raise ValueError(f"is none of {', '.join(GROUPS)}")
    return _one_of(GROUPS, name)

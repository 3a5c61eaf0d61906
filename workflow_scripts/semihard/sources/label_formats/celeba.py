"""CelebA's list_attr_celeba.txt (a count, the names, then a row per image), or the CSV that is made of it."""

import logging

import numpy as np

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.attribute_names import spelling
from semihard.sources.label_join import LabelJoin
from semihard.sources.label_table import ABSENT, PRESENT, Column, among, chosen, read_labels
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import BLANKS, TextTable, csv_head, first_lines

log = logging.getLogger("semihard")
KEY = "image_id"


def read(settings: AttributeLabels) -> LabelJoin:
    """Values are -1 and 1 or, in newer copies, 0 and 1: a -1 anywhere means the former."""
    path = expand_path(settings.path)
    lines = first_lines(path, 2)
    count = lines[0].strip()
    if count.isdecimal():
        table = TextTable(path, (KEY, *lines[-1].split()), first=3, separator=BLANKS)
    elif csv_head(path)[0] == KEY:
        table = TextTable(path, csv_head(path), first=2)
    else:
        raise InputError(
            f"{path}: line 1 is {lines[0][:60]!r}, expected the number of images, as in list_attr_celeba.txt, or a CSV "
            f"file's head that begins with {KEY}; another form is format: table"
        )
    meaning = among({"-1": -1, "0": 0, "1": PRESENT})
    columns = [Column(name, (spelling(name),), meaning) for name in table.columns[1:]]
    labels = read_labels(table, settings.key or KEY, chosen(settings, path, columns))
    if count.isdecimal() and int(count) != len(labels.lines):
        log.warning("%s: line 1 says %s images, there are %d rows: a part of the file?", path, count, len(labels.lines))
    negative = labels.values == -1
    if negative.any() and (zero := labels.values == 0).any():
        row, number = np.argwhere(zero)[0]
        raise InputError(
            f"{path}: line {labels.lines[row]}, {labels.names[number]}: 0 in a file that has -1, too; CelebA's values are "
            "-1 and 1, or 0 and 1 (format: table reads files in which a label may be undefined)"
        )
    labels.values[negative] = ABSENT
    return LabelJoin(settings, labels)

"""MAAD-Face's CSV: Filename, Identity and 47 attributes of -1, 0 (undefined) and 1 (Terhörst et al., TIFS 2021)."""

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.attribute_names import spelling
from semihard.sources.label_join import LabelJoin
from semihard.sources.label_table import ABSENT, PRESENT, UNDEFINED, Column, among, chosen, read_labels
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import TextTable, csv_head

HEAD = ("Filename", "Identity")


def read(settings: AttributeLabels) -> LabelJoin:
    """Keys are paths within VGGFace2, n000002/0001_01.jpg."""
    path = expand_path(settings.path)
    head = csv_head(path)
    if head[:2] != HEAD:
        raise InputError(
            f"{path}: the first line begins with {', '.join(head[:2])}; MAAD-Face's with {', '.join(HEAD)}"
        )
    meaning = among({"-1": ABSENT, "0": UNDEFINED, "1": PRESENT})
    columns = [Column(name, (spelling(name),), meaning) for name in head[2:]]
    labels = read_labels(TextTable(path, head, first=2), settings.key or HEAD[0], chosen(settings, path, columns))
    return LabelJoin(settings, labels)

"""Any CSV of a key and attributes: 1 present, 0 absent, -1 or blank undefined."""

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.attribute_names import spelling
from semihard.sources.label_join import LabelJoin
from semihard.sources.label_table import ABSENT, BY_ROW, PRESENT, UNDEFINED, Column, among, chosen, read_labels
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import TextTable, csv_head

NAMES = {"table": {"knobs": ("key", "absent")}}
KEYS = ("file", "key", "path", "image")
ZERO = {"1": PRESENT, "0": ABSENT, "-1": UNDEFINED, "": UNDEFINED}
MINUS = {"1": PRESENT, "-1": ABSENT, "0": UNDEFINED, "": UNDEFINED}


def read(settings: AttributeLabels) -> LabelJoin:
    """The key is in the column that `key` names or, where not given, in the one called file, key, path or image.

    `absent: -1` makes -1 absent and 0 undefined. A column with -1 and without 0 may be either: it is refused until `absent`
    says which.
    """
    path = expand_path(settings.path)
    head = csv_head(path)
    key = settings.key or _key(path, head)
    if key not in (BY_ROW, *head):
        raise InputError(f"{path}: has no column {key!r} of keys; it has {', '.join(head)}")
    meaning = _meaning(MINUS if settings.absent == -1 else ZERO)
    columns = [Column(name, (spelling(name),), meaning) for name in head if name != key]
    labels = read_labels(TextTable(path, head, first=2), key, chosen(settings, path, columns))
    for name, texts in labels.texts.items():
        values = {text.removesuffix(".0") for text in texts}
        if settings.absent is None and {"1", "-1"} <= values and "0" not in values:
            raise InputError(
                f"{path}: column {name!r} has 1 and -1 and no 0: set absent: -1 if -1 is absent, as in CelebA, or absent: 0 "
                "if it is undefined"
            )
    return LabelJoin(settings, labels)


def _key(path: object, head: tuple[str, ...]) -> str:
    """The one column that is called as keys are."""
    found = [name for name in head if name.casefold() in KEYS]
    if len(found) != 1:
        raise InputError(
            f"{path}: {len(found) or 'none'} of its columns {', '.join(head[:8])} are called {', '.join(KEYS)}: name the "
            "column of keys by `key`, or set key: row where the rows are in the order of the images"
        )
    return found[0]


def _meaning(values: dict[str, int]):
    """As `among`; numbers may end in .0, as pandas writes a column with blanks."""
    exact = among(values)

    def meaning(text: str) -> tuple[int, ...]:
        try:
            return exact(text.removesuffix(".0"))
        except ValueError as error:
            raise ValueError(f"{error}; name the columns that are attributes in `columns`") from None

    return meaning

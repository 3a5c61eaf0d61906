"""Tables in text files of other people, read in chunks: memory does not grow with their length."""

import csv
import itertools
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.errors import InputError
from semihard.sources.text_file import read_lines

ROWS_AT_ONCE = 100_000
BLANKS = r"\s+"  # a separator: any number of blanks


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a UTF-8 text file, `count` at most, without their ends and a byte order mark.

    Raises InputError where it is no file, is empty, or is not UTF-8 there.
    """
    if not path.is_file():
        raise InputError(f"{path}: is no file; give the text file itself")
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            lines = [line.rstrip("\r\n") for line in itertools.islice(file, count)]
    except UnicodeDecodeError:
        read_lines(path)  # says which line
        raise
    if not "".join(lines).strip():
        raise InputError(f"{path}: is empty; get a complete copy")
    return lines


@dataclass(frozen=True)
class TextTable:
    """A table whose row k, from 0, is line `first` + k of a UTF-8 file, with or without a byte order mark, LF or CRLF.

    columns: the names of all its columns; separator: one character, or `BLANKS`. Rows of blanks alone do not count.
    """

    path: Path
    columns: tuple[str, ...]
    first: int
    separator: str = ","

    def chunks(self, texts: Collection[str]) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
        """(the line of each row, int64 `[n]`; the rows): columns among `texts` as str, the others as categories, whose
        values are few. Raises InputError where a row is too long or a line is not UTF-8.
        """
        kinds = {number: "str" if name in texts else "category" for number, name in enumerate(self.columns)}
        quoting = csv.QUOTE_MINIMAL if self.separator == "," else csv.QUOTE_NONE
        form = {"sep": self.separator, "quoting": quoting, "encoding": "utf-8-sig", "dtype": kinds, "header": None}
        form |= {"na_filter": False, "skip_blank_lines": False, "index_col": False, "names": list(kinds)}
        done = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # all rows are too long
                with pd.read_csv(self.path, skiprows=self.first - 1, chunksize=ROWS_AT_ONCE, **form) as chunks:
                    for chunk in chunks:
                        lines = self.first + done + np.arange(len(chunk))
                        done += len(chunk)
                        chunk.columns = self.columns
                        kept = ~_blank(chunk)
                        yield (lines, chunk) if kept.all() else (lines[kept], chunk[kept])
        except UnicodeDecodeError:
            read_lines(self.path)
            raise
        except pd.errors.EmptyDataError:
            return
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            said = str(error).removeprefix("Error tokenizing data. C error: ").strip()
            raise InputError(
                f"{self.path}: rows and columns do not fit together ({said}); {len(self.columns)} columns are expected, "
                f"as in the file's head"
            ) from None

    def cell(self, line: int, column: str) -> str:
        """What stands in a column of a line."""
        with self.path.open(encoding="utf-8-sig", newline="\n") as file:
            text = next(itertools.islice(file, int(line) - 1, None)).rstrip("\r\n")
        separated = text.split(None if self.separator == BLANKS else self.separator)
        cells = next(csv.reader([text])) if self.separator == "," else separated
        return cells[self.columns.index(column)]


def _blank(rows: pd.DataFrame) -> np.ndarray:
    """Which rows hold nothing, bool `[n]`."""
    blank = np.ones(len(rows), bool)
    for _, column in rows.items():
        if not blank.any():
            break
        blank[blank] = column[blank].astype(str).str.strip() == ""
    return blank


def csv_head(path: Path) -> tuple[str, ...]:
    """The names of a CSV file's columns, from its first line. Raises InputError where one has no name or two have one."""
    names = tuple(name.strip() for name in next(csv.reader(first_lines(path, 1))))
    if "" in names:
        raise InputError(f"{path}: column {names.index('') + 1} has no name in the first line; name it or take it out")
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: the first line names two columns {twice[0]!r}; rename one")
    return names

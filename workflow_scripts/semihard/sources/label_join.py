"""Attribute labels joined to the images of a face set, whose keys are known only while these are read."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from semihard.errors import InputError
from semihard.sources.attribute_names import COLUMN
from semihard.sources.label_table import BY_ROW, UNDEFINED, Labels, hashes_of
from semihard.sources.settings import AttributeLabels

log = logging.getLogger("semihard")


class LabelJoin:
    """Gives each image its row: by its key, by the key's last part where no row names a folder, or by its place."""

    def __init__(self, settings: AttributeLabels, labels: Labels):
        self.settings, self.labels = settings, labels
        self.path = labels.path
        self.order = np.argsort(labels.hashes, kind="stable")
        self.sorted = labels.hashes[self.order]
        self.image_of_row = np.full(len(labels.lines), -1)
        self.images = self.unmatched = 0
        self.without: str | None = None  # the first image without a row
        log.info("%s: %d rows of %d attributes", self.path, len(labels.lines), len(labels.names))

    def of(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """The columns `attribute_<Name>`, int8 `[n]` each, of the next `n` images, whose keys these are.

        Raises InputError where a row is of two images.
        """
        row = self._by_place(len(keys)) if self.settings.key == BY_ROW else self._by_key(keys)
        known = np.flatnonzero(row >= 0)
        image = self.images + np.arange(len(keys))
        rows, first = np.unique(row[known], return_index=True)
        new = self.image_of_row[rows] < 0
        self.image_of_row[rows[new]] = image[known][first[new]]
        clash = known[self.image_of_row[row[known]] != image[known]]
        if len(clash):
            at, key = row[clash[0]], keys[clash[0]]
            raise InputError(
                f"{self.path}: line {self.labels.lines[at]} is of image {self.image_of_row[at]} of the face set and of image "
                f"{image[clash[0]]}, {key!r}, too; give its keys the folders of the images"
            )
        values = np.full((len(keys), len(self.labels.names)), UNDEFINED, np.int8)
        values[known] = self.labels.values[row[known]]
        if len(known) < len(keys) and self.without is None:
            self.without = keys[int(np.flatnonzero(row < 0)[0])]
        if not self.images and not len(known):
            log.warning("%s: none of the first %d images has a row, %r for one", self.path, len(keys), keys[0])
        self.images += len(keys)
        self.unmatched += len(keys) - len(known)
        return {f"{COLUMN}{name}": values[:, number] for number, name in enumerate(self.labels.names)}

    def _by_place(self, count: int) -> np.ndarray:
        row = self.images + np.arange(count)
        return np.where(row < len(self.labels.lines), row, -1)

    def _by_key(self, keys: Sequence[str]) -> np.ndarray:
        keys = pd.Series(list(keys), dtype=object)
        hashes = hashes_of(keys if self.labels.has_folders else keys.str.rpartition("/")[2])
        place = np.searchsorted(self.sorted, hashes).clip(max=len(self.sorted) - 1)
        return np.where(self.sorted[place] == hashes, self.order[place], -1)

    def finish(self) -> int:
        """How many images have no row, when all have been asked for.

        Raises InputError where these are more than the knob `unmatched` allows, where no row is of an image, and where
        rows that go by their order are not as many as the images.
        """
        rows = len(self.labels.lines)
        if self.settings.key == BY_ROW and rows != self.images:
            raise InputError(
                f"{self.path}: has {rows} rows, the face set {self.images} images; `key: row` needs a row for each, in the "
                "order of the images (where photographs are left out, name the images in a column)"
            )
        if self.unmatched == self.images:
            raise InputError(
                f"{self.path}: no row is of an image of this face set: its keys are like {self.labels.example!r}, the "
                f"images' like {self.without!r}; is it the label file of another set?"
            )
        if self.unmatched > self.settings.unmatched * self.images:
            raise InputError(
                f"{self.path}: {self.unmatched} of {self.images} images have no row, {self.without!r} for one, more than the "
                f"share {self.settings.unmatched:g} that `unmatched` allows: label file of another set, or raise it"
            )
        log.info(
            "%s: %d of %d images have no row (their labels are -1), %d of %d rows no image",
            self.path, self.unmatched, self.images, np.count_nonzero(self.image_of_row < 0), rows,
        )  # fmt: skip
        return self.unmatched

"""A face set as its labels say it: what every form of an export writes.

An image that mixes two identities (SynFace's identity mixup) has two labels and a weight: it lies under the weightier
one, and the other travels beside it.
"""

from dataclasses import dataclass

import numpy as np

from semihard.sources.attribute_names import COLUMN
from semihard.storage.faceset import COPY, FaceSet
from semihard.storage.pixels import encode_image

TERMS = ("source", "licence", "alignment", "rule", "settings", "code")  # attributes of a face set that travel


@dataclass
class LabelledFaces:
    """A face set as labels say it. order: its labelled images by label, int64; suffix: of their encoded bytes."""

    faces: FaceSet

    def __post_init__(self):
        faces = self.faces
        self.names = [*faces.identity_names, ""]
        self.label, self.other = faces.identity.astype(np.int64), np.full(len(faces), -1)
        self.weight = np.ones(len(faces))
        self.is_mixed = {"partner", "phi"} <= set(faces.column_names)
        if self.is_mixed:
            partner, phi = faces.column("partner").astype(np.int64), faces.column("phi").astype(np.float64)
            second = (partner >= 0) & (phi < 0.5)  # the partner is the weightier one
            self.other = np.where(second, self.label, partner)
            self.label = np.where(second, partner, self.label)
            self.weight = np.where(partner < 0, 1, np.where(second, 1 - phi, phi))
        self.copy = faces.column(COPY) if COPY in faces.column_names else None
        self.attributes = {name: faces.column(name) for name in faces.column_names if name.startswith(COLUMN)}
        order = np.argsort(self.label, kind="stable")
        self.order = order[self.label[order] >= 0]
        self.suffix = {"jpeg": "jpg", "png": "png", "raw": "png"}[faces.codec]

    def encoded(self, i: int) -> bytes:
        """Image `i`; pixels stored as they are become a PNG."""
        return encode_image(self.faces.images([i])[0], "png") if self.faces.codec == "raw" else self.faces.encoded(i)

    def labels(self, i: int) -> dict[str, object]:
        """What is said of image `i`, by name; the same names for every image of a set."""
        said: dict[str, object] = {"label": int(self.label[i]), "identity": self.names[self.label[i]]}
        if self.is_mixed:
            said |= {"weight": round(float(self.weight[i]), 6), "other_label": int(self.other[i])}
            said |= {"other_identity": self.names[self.other[i]]}
        if self.copy is not None:
            said[COPY] = int(self.copy[i])
        return said | self.attributes_of(i)

    def attributes_of(self, i: int) -> dict[str, int]:
        """The attribute labels of image `i`, by column; the same for every image of a set."""
        return {name: int(values[i]) for name, values in self.attributes.items()}

    def about(self) -> dict[str, object]:
        """Where the faces come from, on what terms, and how many they are."""
        faces = self.faces
        known = {name: str(faces.attrs[name]) for name in TERMS if name in faces.attrs}
        counts = {"images": len(self.order), "identities": len(faces.identity_names), "image_size": faces.image_size}
        return known | counts | {"mixed_labels": bool((self.weight < 1).any())}

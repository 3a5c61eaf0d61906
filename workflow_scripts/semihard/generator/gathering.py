"""Face sets joined end to end: batches to a shard, shards to the whole, and the inquiry images that its classes get."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.generator.inquiries import read_inquiry_images
from semihard.generator.settings import SyntheticFaces
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import COPY, ROWS_PER_CHUNK, FaceSet, FaceSetWriter
from semihard.storage.pixels import encode_image
from semihard.storage.provenance import Provenance

IDENTITIES_PER_BLOCK = 256


def gather_shards(
    shard_paths: Sequence[Path | str],
    output: Path | str,
    provenance: Provenance,
    settings: SyntheticFaces | None = None,
    inquiries_path: Path | str | None = None,
    inquiry_faces_path: Path | str | None = None,
    made_of: Sequence[Path | str] = (),
) -> None:
    """Join face sets in the order given: bytes untouched, identities by name, memory that of the columns.

    With `settings`, `settings.inquiry_copies` copies of each identity's inquiry image follow the synthesized images
    (CemiFace's oversampling, after DCFace), at their size, encoded once, with inquiry_copy = 1, m = NaN, partner = −1,
    phi = 1, index on from per_identity, and similarity = 1, but NaN where the condition was an identity center. made_of: the
    face sets whose licences hold, those of the inquiries and of the generator's training, as far as they are known. The file
    depends on the images alone, not on where they were cut.
    """
    parts = [FaceSet(path) for path in shard_paths]
    ends = np.cumsum([len(part) for part in parts])
    names = np.concatenate([np.array([*part.identity_names, ""], object)[part.identity] for part in parts])
    columns = {name: np.concatenate([part.column(name) for part in parts]) for name in parts[0].column_names}
    inherited = {name: parts[0].attrs[name] for name in ("alignment", "source", "licence")}
    licences = dict.fromkeys(str(FaceSet(path).attrs["licence"]) for path in made_of)
    inherited["licence"] = ", ".join(filter(None, licences)) or inherited["licence"]
    copies = bool(settings and settings.inquiry_copies)
    if copies:
        columns[COPY] = np.zeros(len(names), np.int8)
        inquiry_faces = FaceSet(inquiry_faces_path)
    with FaceSetWriter(output, parts[0].image_size, parts[0].codec, provenance, inherited) as writer:
        for start in range(0, len(names), ROWS_PER_CHUNK):
            rows = np.arange(start, min(start + ROWS_PER_CHUNK, len(names)))
            which = np.searchsorted(ends, rows, side="right")
            local = rows - ends[which] + [len(parts[part]) for part in which]
            images = [parts[part].encoded(row) for part, row in zip(which, local, strict=True)]
            writer.add(images, names[rows], {name: values[rows] for name, values in columns.items()})
        if copies:
            for block in copies_of_inquiries(settings, inquiry_faces, inquiries_path, writer):
                writer.add(*block)


def copies_of_inquiries(
    settings: SyntheticFaces, faces: FaceSet, inquiries_path: Path | str, writer: FaceSetWriter
) -> Iterator[tuple[list[bytes], list[str], dict[str, np.ndarray]]]:
    """Images, names and columns for `writer.add`, a block of identities at a time, each identity's copies together."""
    source_index = read_artifact(inquiries_path, schemas.INQUIRIES)["source_index"][: settings.identities]
    if len(source_index) < settings.identities or source_index.max() >= len(faces):
        raise InputError(
            f"{inquiries_path}: {len(source_index)} inquiries among the first {source_index.max() + 1} images, expected "
            f"{settings.identities} of the {len(faces)} in {faces.path}; select the inquiries again"
        )
    copies = settings.inquiry_copies
    for start in range(0, settings.identities, IDENTITIES_PER_BLOCK):
        chosen = source_index[start : start + IDENTITIES_PER_BLOCK]
        images = read_inquiry_images(faces, chosen, writer.image_size[0])
        blobs = [blob for image in images for blob in [encode_image(image, writer.codec)] * copies]
        names = [identity_name(settings.seed, start + i) for i in range(len(chosen)) for _ in range(copies)]
        n = len(blobs)
        columns = {
            "m": np.full(n, np.nan, np.float32),
            "similarity": np.full(n, 1 if settings.center is None else np.nan, np.float32),
            "partner": np.full(n, -1, np.int32),
            "phi": np.ones(n, np.float32),
            COPY: np.ones(n, np.int8),
            "index": np.tile(settings.per_identity + np.arange(copies, dtype=np.int32), len(chosen)),
        }
        yield blobs, names, columns


def identity_name(seed: int, identity: int) -> str:
    """The name of a synthetic identity; "" for −1, nobody's images."""
    return f"synthetic-{seed}-{identity:05d}" if identity >= 0 else ""

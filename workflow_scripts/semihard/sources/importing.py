"""The user's photographs become face sets and benchmarks."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.settings import registry
from semihard.sources.face import Face
from semihard.sources.ijb import TemplateImages
from semihard.sources.label_join import LabelJoin
from semihard.sources.settings import BinBenchmark, FolderFaces, IJBBenchmark, LMDBFaces, PairsBenchmark, RecordIOFaces
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.pixels import encode_image, image_size_of
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
FACES_PER_WRITE = 512
LISTED = 10


def import_faces(settings: RecordIOFaces | FolderFaces | LMDBFaces, output: Path | str, provenance: Provenance) -> None:
    """Import photographs as the face set `output`, streaming: memory does not grow with their number.

    Encoded images keep their bytes; column `source_key` says where each came from. Photographs without a face are left
    out, counted (attribute `left_out`) and listed in the log. Where the entry names attribute labels, they become columns
    `attribute_<Name>`, int8 `[N]`: 1 present, 0 absent, −1 undefined (sources.label_formats); attribute `unlabelled_images`
    counts the images without a row. Raises InputError for bad input (see the readers and the formats).
    """
    asked = getattr(settings, "attributes", None)  # not every kind of entry has them
    labels = registry.load("sources.label_formats", asked.format).read(asked) if asked else None
    skipped: list[tuple[str, str]] = []
    aligned = getattr(settings, "align", "mtcnn") == "mtcnn"
    faces = registry.load("sources.readers", settings.source).read(settings, skipped)
    attrs = {"source": settings.path, "licence": settings.licence, "alignment": "arcface" if aligned else ""}
    write_faces(faces, output, provenance, attrs, f"import {Path(output).stem}", skipped, labels=labels)
    if skipped:
        log.warning("%s: %d photographs left out", settings.path, len(skipped))
        for key, reason in skipped[:LISTED]:
            log.warning("  %s: %s", key, reason)
        if len(skipped) > LISTED:
            log.warning("  … and %d more", len(skipped) - LISTED)


def import_benchmark(
    settings: BinBenchmark | PairsBenchmark | IJBBenchmark,
    output_faces: Path | str,
    output_pairs: Path | str,
    provenance: Provenance,
) -> None:
    """Import verification pairs: their images as a face set, the pairs as the artifact "benchmark".

    Of templates (IJB), the face set has columns template, media and score, and the pairs are "template_pairs".
    Raises InputError for bad input (see the readers).
    """
    benchmark = registry.load("sources.benchmarks", settings.source).read(settings)
    source = getattr(settings, "folder", None) or settings.path
    if isinstance(benchmark, TemplateImages):
        _write_templates(settings, benchmark, output_faces, output_pairs, provenance)
        return
    if benchmark.same.all() or not benchmark.same.any() or benchmark.fold.max() < 1:
        raise InputError(
            f"{getattr(settings, 'path', source)}: {np.count_nonzero(benchmark.same)} genuine and "
            f"{np.count_nonzero(~benchmark.same)} impostor pairs in {benchmark.fold.max() + 1} fold(s); verification needs "
            "both kinds and two folds"
        )
    attrs = {"source": source, "licence": settings.licence}
    once: dict[tuple, int] = {}  # a .bin repeats a photograph in each of its pairs: it is stored and embedded once
    keys = [(face.identity, face.image if isinstance(face.image, bytes) else face.key) for face in benchmark.faces]
    index = np.array([once.setdefault(key, len(once)) for key in keys])
    unique = [benchmark.faces[i] for i in np.unique(index, return_index=True)[1]]
    write_faces(unique, output_faces, provenance, attrs, "import benchmark")
    pairs = {name: index[getattr(benchmark, name)] for name in ("first", "second")}
    write_artifact(
        output_pairs, schemas.BENCHMARK, pairs | {"same": benchmark.same, "fold": benchmark.fold}, provenance
    )


def _write_templates(
    settings: IJBBenchmark,
    benchmark: TemplateImages,
    output_faces: Path | str,
    output_pairs: Path | str,
    provenance: Provenance,
) -> None:
    attrs = {"source": settings.path, "licence": settings.licence, "alignment": "arcface"}
    columns = {name: getattr(benchmark, name) for name in ("template", "media", "score")}
    write_faces(benchmark.faces, output_faces, provenance, attrs, f"import {settings.name}", columns=columns)
    pairs = {name: getattr(benchmark, name) for name in ("first", "second", "same")}
    write_artifact(output_pairs, schemas.TEMPLATE_PAIRS, pairs, provenance)


def write_faces(
    faces: Iterable[Face],
    output: Path | str,
    provenance: Provenance,
    attrs: dict,
    what: str,
    skipped: list[tuple[str, str]] | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    labels: LabelJoin | None = None,
) -> None:
    """Stream faces of one size into a face set; pixels are stored as JPEG, encoded images as they are.

    skipped: what the reader has left out when it has come to its end; its length becomes the attribute `left_out`.
    columns: what else is known of each face, `[N]` each, in the order of `faces`; labels: gives attribute labels by key.
    Raises InputError naming the first face of another size, or where there is none.
    """
    faces = iter(faces)
    first = next(faces, None)
    if first is None:
        raise InputError(f"{output}: no face was found, so no face set was written")
    size = _size(first)
    with FaceSetWriter(output, size, "jpeg", provenance, attrs) as writer, progress(what, 0, "images") as advance:
        for block in _blocks(itertools.chain([first], faces)):
            for face in block:
                if _size(face) != size:
                    raise InputError(
                        f"{attrs['source']}: image {face.key} is {_size(face)} pixels high and wide, the first image {size}; "
                        "bring all to one size"
                    )
            rows = slice(writer.count, writer.count + len(block))
            known = {name: values[rows] for name, values in (columns or {}).items()}
            if labels:
                known |= labels.of([face.key for face in block])
            known["source_key"] = np.array([face.key for face in block], object)
            images = [
                face.image if isinstance(face.image, bytes) else encode_image(face.image, writer.codec)
                for face in block
            ]
            writer.add(images, [face.identity for face in block], known)
            advance(len(block))
        writer.attrs["left_out"] = len(skipped or ())
        if labels:
            writer.attrs["unlabelled_images"] = labels.finish()


def _size(face: Face) -> tuple[int, int]:
    return image_size_of(face.image) if isinstance(face.image, bytes) else face.image.shape[:2]


def _blocks(faces: Iterator[Face]) -> Iterator[list[Face]]:
    while block := list(itertools.islice(faces, FACES_PER_WRITE)):
        yield block

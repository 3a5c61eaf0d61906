"""Rendered stand-ins of the files that shipped studies read: the layout of each, at a hundredth of its people.

Real sets are uneven, and so are these: people with one photograph and with five, labels with gaps, sets without labels,
a benchmark that is not there.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import lmdb
import msgpack
import numpy as np
import torch
from PIL import Image

from semihard.generator.export_pipeline import export_pipeline
from semihard.generator.model_file import GeneratorSpec, save_generator
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model, weights_digest
from semihard.sources.benchmark_bin import write_bin
from semihard.sources.recordio_writer import RecordIOWriter
from semihard.sources.rendered.stream import rendered_faces
from semihard.storage.provenance import Provenance

# people × photographs of each
CASIA = ((3, 1), (6, 5), (80, 10), (17, 20))  # 10,572 people
LFW = ((35, 1), (10, 5), (12, 14))  # 5,749, most with one photograph
RELEASE = ((40, 6),)


def jpeg(image: np.ndarray) -> bytes:
    """An image as JPEG, as data sets hold it."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=92)
    return file.getvalue()


def people(groups: tuple[tuple[int, int], ...], first: int, size: int = 112) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the person, uint8 RGB `[size, size, 3]`) of every photograph, person by person."""
    done = 0
    for count, photographs in groups:
        for batch in rendered_faces(count, photographs, 0, first + done, size):
            yield from zip((done + batch.identity).tolist(), batch.images, strict=True)
        done += count


def write_recordio(folder: Path, groups: tuple[tuple[int, int], ...], first: int, gap: bool = False) -> None:
    """InsightFace's layout. gap: a label in the middle that no photograph has."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    total = sum(count for count, _ in groups)
    names = [f"{first + number:06d}" for number in range(total + gap)]
    with RecordIOWriter(folder, names=names) as writer:
        for number, image in people(groups, first):
            writer.add(jpeg(image), names[number + (gap and number >= total // 2)])


def write_folder(
    folder: Path, groups: tuple[tuple[int, int], ...], first: int, size: int = 112, border: int = 0
) -> None:
    """A folder per person, LFW's names. border: pixels around the face, as in a photograph that is not aligned."""
    seen: dict[int, int] = {}
    for number, image in people(groups, first, size):
        name = f"Person_{number:04d}"
        seen[number] = seen.get(number, 0) + 1
        (folder / name).mkdir(parents=True, exist_ok=True)
        photograph = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
        Image.fromarray(photograph).save(folder / name / f"{name}_{seen[number]:04d}.jpg", quality=92)


def write_grids(folder: Path, identities: int, tiles: int, first: int) -> None:
    """IDiff-Face's layout: one file per person, a grid of faces of 128 pixels."""
    folder.mkdir(parents=True)
    for batch in rendered_faces(identities, tiles**2, 0, first, 128, tiles**2):
        grid = batch.images.reshape(tiles, tiles, 128, 128, 3).swapaxes(1, 2).reshape(tiles * 128, tiles * 128, 3)
        Image.fromarray(grid).save(folder / f"{batch.identity[0]}.png")


def write_lmdb(path: Path, groups: tuple[tuple[int, int], ...], first: int) -> None:
    """The form of Vec2Face's releases."""
    records = [(jpeg(image), number) for number, image in people(groups, first)]
    keys = [str(row).encode() for row in range(len(records))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        lmdb.open(str(path), subdir=False, map_size=2**28) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, record in zip(keys, records, strict=True):
            transaction.put(key, msgpack.packb(record))
        transaction.put(b"__keys__", msgpack.packb(keys))
        transaction.put(b"__len__", msgpack.packb(len(keys)))


def write_labels(path: Path, records: int, ages: tuple[str, ...]) -> None:
    """FairFace's labels of a RecordIO set, keys from 1 as its images' are."""
    random = np.random.default_rng(records)
    lines = ["key,split,file,age,gender,race"]
    for key in range(1, records + 1):
        person = (
            random.choice(ages),
            random.choice(["Male", "Female"]),
            random.choice(["Black", "White", "East Asian"]),
        )
        lines.append(f"{key},train,train/{key}.jpg,{','.join(person)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_benchmark(path: Path, pairs: int, first: int) -> None:
    """InsightFace's `.bin`: as many genuine pairs as others."""
    images = [jpeg(image) for _, image in people(((pairs // 2 + 1, 3),), first)]
    shown, same = [], []
    for number in range(pairs // 2):
        shown += images[3 * number : 3 * number + 4]  # two of a person, then the third and the first of the next
        same += [True, False]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bin(path, shown, same)


def write_pairs(path: Path, folder: Path, folds: int, per_fold: int) -> None:
    """LFW's pairs.txt: every fold of other people."""
    people = [person.name for person in sorted(folder.iterdir()) if len(list(person.iterdir())) >= 5]
    random = np.random.default_rng(0)
    lines = [f"{folds}\t{per_fold}"]
    for names in np.array_split(people, folds):
        for _ in range(per_fold):
            lines.append("{}\t{}\t{}".format(random.choice(names), *random.choice(5, 2, replace=False) + 1))
        for _ in range(per_fold):
            lines.append(
                "{0}\t{2}\t{1}\t{3}".format(*random.choice(names, 2, replace=False), *random.integers(1, 6, 2))
            )
    path.write_text("\n".join(lines) + "\n")


def write_backbone(path: Path, size: tuple[int, int], dim: int, name: str = "mobilefacenet") -> None:
    """A network that has learnt nothing."""
    torch.manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(build_backbone(name, size, dim).state_dict(), path)


def write_pipeline(folder: Path) -> None:
    """A generator that has learnt nothing, and its embedder, as another study gives them away."""
    torch.manual_seed(0)
    model, generator = folder.with_suffix(".embedder"), folder.with_suffix(".generator")
    save_model(model, build_backbone("tiny", (112, 112), 32), EmbedderSpec("tiny", (112, 112), 32))
    similarities = {"m_min": -1.0, "m_max": 1.0, "m_step": 0.04}
    spec = GeneratorSpec("cemiface", "tiny", 16, 1000, 1e-4, 0.02, 32, weights_digest(model), similarities)
    save_generator(generator, spec.build(), spec, Provenance())
    export_pipeline("CC0-1.0", generator, folder, model)


def write_all(folder: Path) -> None:
    """Every file that a study of configs/ reads, in `folder` as its project, those that it would fetch among them, and in
    `folder`/faces as what SEMIHARD_FACES names."""
    webface, faces = folder / "data" / "faces_webface_112x112", folder / "faces"
    write_recordio(webface, CASIA, 10_000)
    for number, name in enumerate(("lfw", "cfp_fp")):  # the other three are not there
        write_benchmark(webface / f"{name}.bin", 20, 20_000 + 100 * number)
    write_recordio(folder / "data" / "faces_vgg_112x112", ((20, 10),), 25_000)
    write_recordio(folder / "data" / "flickr_112x112", ((160, 1),), 26_000, gap=True)
    write_folder(folder / "data" / "inquiries_112x112", ((160, 1),), 30_000)
    write_recordio(folder / "data" / "dcface_0.5m_oversample_xid" / "record", RELEASE, 40_000)
    write_folder(folder / "data" / "digiface_72x10k", ((120, 2),), 41_000)
    write_grids(folder / "data" / "idiff_face_synthetic_uniform_cpd25", 20, 4, 42_000)
    for number, name in enumerate(("hsface10k", "vface10k")):
        write_lmdb(folder / "data" / f"{name}.lmdb", RELEASE, 43_000 + 1000 * number)
    write_recordio(faces / "faces_lfw_train_112x112", LFW, 50_000)
    write_recordio(faces / "faces_fairface_112x112", ((75, 1),), 51_000, gap=True)
    write_recordio(faces / "faces_fairface_more_112x112", ((80, 1),), 52_000)
    write_labels(faces / "faces_fairface_112x112" / "labels.csv", 75, ("3-9", "20-29", "30-39"))
    write_labels(faces / "faces_fairface_more_112x112" / "labels.csv", 80, ("03-Sep", "20-29", "30-39"))
    write_folder(folder / "data" / "my_faces", ((12, 5),), 57_000)
    write_pipeline(folder / "data" / "pipeline")
    write_folder(faces / "lfw_originals", ((4, 2),), 53_000, 160, 45)
    write_benchmark(faces / "benchmarks" / "lfw.bin", 60, 54_000)
    write_benchmark(faces / "benchmarks" / "lfw_folds12.bin", 24, 55_000)
    write_backbone(folder / "data" / "backbone.pth", (112, 112), 512, "iresnet50")
    write_backbone(faces / "weights" / "xiaoccer_casia_mobilefacenet128_sd.pt", (112, 96), 128)
    write_backbone(faces / "weights" / "xface_mobilefacenet512_sd.pt", (112, 112), 512)
    fetched = folder / "downloads"
    write_folder(fetched / "lfw_funneled", ((20, 1), (40, 5)), 60_000, 112, 20)
    write_pairs(fetched / "lfw_pairs.txt", fetched / "lfw_funneled", 10, 6)

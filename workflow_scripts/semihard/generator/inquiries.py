"""Inquiries: the images that define new identities, mutually dissimilar (CemiFace Sec. 4.1 after DCFace)."""

import logging
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch

from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.generator.drawn_identities import Draw, drawn_identities
from semihard.generator.quality import QualityGate
from semihard.generator.settings import SyntheticFaces
from semihard.settings.base import DRAWN_CENTERS
from semihard.similarity.embedding_pairs import open_embeddings
from semihard.similarity.greedy_selection import BLOCK, GreedyPacking
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact, read_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
DRAWN_AT_MOST = 100


def select_inquiries(
    settings: SyntheticFaces,
    faces_path: Path | str,
    embeddings_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    centers_path: Path | str | None = None,
    told_apart_by: Path | str | None = None,
    known_path: Path | str | None = None,
) -> None:
    """Write `settings.identities` inquiries of a face set, no two of them as similar as `settings.inquiry_threshold`.

    embeddings_path: by the generator's embedder; told_apart_by: embeddings by another one, whose cosine it then is;
    centers_path: the artifact "centers", whose centers then stand for the embeddings (CemiFace Table 8); known_path:
    that of the generator's training set, for `settings.inquiry_novelty`. Attributes: those of `Search`.
    With a center that is drawn (`generator.drawn_identities`) the images mean nothing.
    Raises InputError where too few survive, or a file is of another face set.
    """
    faces = FaceSet(faces_path)
    known = None if known_path is None else read_artifact(known_path, schemas.CENTERS)["center"]
    search = Search(settings, faces, QualityGate(faces, embeddings_path, settings.quality_quantile), known)
    if settings.center in DRAWN_CENTERS:
        search.draw(drawn_identities(settings.center, settings.seed, embeddings_path, len(faces)))
    elif centers_path is None:
        search.run(lambda rows: read_unit_embeddings(told_apart_by or embeddings_path, rows, len(faces)))
    else:
        similarity = _similarity_to_centers(centers_path, faces)
        search.run(lambda rows: _read_centers(centers_path, faces.identity[rows]), similarity)
    search.check()
    embedding = torch.cat(search.packing.kept).numpy()
    if told_apart_by:
        embedding = read_unit_embeddings(embeddings_path, search.chosen, len(faces))
    search.nearest[0] = np.nan
    names = np.array([*faces.identity_names, ""], object)
    shown = np.append(faces.identity, -1)  # nobody's is the last one
    data = {
        "source_index": search.chosen,
        "source_name": names[shown[search.chosen]],
        "embedding": embedding,
        "nearest": search.nearest,
    }
    data = {name: values[: settings.identities] for name, values in data.items()}
    write_artifact(output, schemas.INQUIRIES, data, provenance, search.counts)
    said = ", ".join(f"{name} {count}" for name, count in search.counts.items())
    log.info("%d inquiries; %s", settings.identities, said)


class Search:
    """The search for inquiries: candidates come in random order, one image per labelled identity (CemiFace: "1-shot") and
    every unlabelled image, without those of the lowest quality. While too few survive, each identity not taken yet sends
    another image, in up to `inquiry_rounds` rounds. Memory is that of the inquiries and one block.

    Attributes: chosen, the images, int64, −1 for none; nearest, the greatest cosine of each to those before it; packing,
    their unit vectors; counts: `candidates` in all rounds, `gated`, how many of them were left out for their quality,
    `known`, for being too near to a center of `known` `[K, D]`, and `rounds`.
    """

    def __init__(self, settings: SyntheticFaces, faces: FaceSet, gate: QualityGate, known: np.ndarray | None = None):
        self.settings, self.faces, self.gate = settings, faces, gate
        self.known = None if known is None else torch.from_numpy(known).float()
        self.packing = GreedyPacking(settings.inquiry_threshold)
        self.chosen, self.nearest = np.empty(0, np.int64), np.empty(0, np.float32)
        self.counts = {"candidates": 0, "gated": 0, "known": 0, "rounds": 0}

    def run(self, unit_of: Callable[[np.ndarray], np.ndarray], similarity: np.ndarray | None = None) -> None:
        """Search until there are enough, or no more candidates. unit_of: unit vectors `[n, D]` of images int64 `[n]`, by
        which they are told apart; similarity: as `order_candidates` takes it."""
        shuffled, turn = order_candidates(self.faces, self.settings.seed, similarity)
        while not self.is_complete and self.counts["rounds"] < self.settings.inquiry_rounds:
            taken = np.isin(self.faces.identity[shuffled], self.faces.identity[self.chosen])
            candidates = shuffled[(turn == self.counts["rounds"]) & ~taken]
            if not len(candidates):
                return
            good = self.gate(candidates)
            self.counts["candidates"] += len(candidates)
            self.counts["gated"] += len(candidates) - len(good)
            self.counts["rounds"] += 1
            with progress("pack inquiries", len(good), "candidates") as advance:
                for start in range(0, len(good), BLOCK):
                    block = good[start : start + BLOCK]
                    advance(len(block))
                    self._add(block, unit_of(block))
                    if self.is_complete:
                        break

    def draw(self, draw: Draw) -> None:
        """Search among vectors that are drawn, no image's, until there are enough, or DRAWN_AT_MOST for each asked for."""
        most = DRAWN_AT_MOST * self.settings.identities
        self.counts["rounds"] = 1
        with progress("draw identities", self.settings.identities, "identities") as advance:
            while not self.is_complete and self.counts["candidates"] < most:
                before = len(self.chosen)
                self.counts["candidates"] += BLOCK
                self._add(np.full(BLOCK, -1), draw(BLOCK))
                advance(len(self.chosen) - before)

    def _add(self, images: np.ndarray, unit_vectors: np.ndarray) -> None:
        """Keep those that are near to nobody; images: int64 `[n]`, of unit vectors `[n, D]`."""
        unit = torch.from_numpy(unit_vectors)
        new = self._is_new(unit)
        self.counts["known"] += int((~new).sum())
        survivors, cosine = self.packing.add(unit[new])
        self.chosen = np.append(self.chosen, images[new.numpy()][survivors])
        self.nearest = np.append(self.nearest, cosine)

    def _is_new(self, unit: torch.Tensor) -> torch.Tensor:
        """Which of unit vectors `[n, D]` are near to no center of the training set, bool `[n]`."""
        if self.known is None:
            return torch.ones(len(unit), dtype=torch.bool)
        return torch.stack([(unit @ part.T).max(1).values for part in self.known.split(BLOCK)]).max(0).values < (
            self.settings.inquiry_novelty
        )

    @property
    def is_complete(self) -> bool:
        """True where there are as many as asked for."""
        return len(self.chosen) >= self.settings.identities

    def check(self) -> None:
        """Raises InputError where too few were found, saying what would help."""
        if self.is_complete:
            return
        settings, counts, labelled = self.settings, self.counts, self.faces.identity_names
        known = "" if self.known is None else f", {counts['known']} for being near to the training set"
        novelty = "raise inquiry_novelty, " if counts["known"] else ""
        if settings.center in DRAWN_CENTERS:
            near = f"{counts['known']} were near to the training set, " if counts["known"] else ""
            raise InputError(
                f"{self.faces.path}: {settings.identities} identities asked for; of {counts['candidates']} drawn "
                f"({settings.center}) {near}{len(self.chosen)} are mutually below cosine {settings.inquiry_threshold}; ask for "
                f"fewer, {novelty}raise inquiry_threshold, or fit to the embeddings of a more varied face set"
            )
        more = "or take a larger face set" if labelled else "or draw more images"
        if labelled and counts["rounds"] == settings.inquiry_rounds:
            more = f"raise inquiry_rounds, {more}"
        raise InputError(
            f"{self.faces.path}: {settings.identities} identities asked for; of {counts['candidates']} candidates in "
            f"{counts['rounds']} of {settings.inquiry_rounds} rounds {counts['gated']} were left out for their quality{known}, "
            f"{len(self.chosen)} of the others are mutually below cosine {settings.inquiry_threshold}; ask for fewer, raise "
            f"inquiry_threshold, lower quality_quantile, {novelty}{more}"
        )


def order_candidates(faces: FaceSet, seed: int, similarity: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All images in random order, int64 `[N]`, and the round in which each is a candidate, int64 `[N]` beside it.

    An identity has one image in a round: in that order, or by falling `similarity` `[N]` of image and identity center.
    Unlabelled images are all in round 0; in none, −1, where similarity is given.
    """
    shuffled = np.random.default_rng(seed_for(seed, "inquiries")).permutation(len(faces))
    identity = faces.identity[shuffled]
    order = np.lexsort((np.zeros(len(faces)) if similarity is None else -similarity[shuffled], identity))  # stable
    turn = np.empty(len(faces), np.int64)
    turn[order] = np.arange(len(faces)) - np.searchsorted(identity[order], identity[order])
    turn[identity < 0] = 0 if similarity is None else -1
    return shuffled, turn


def one_per_identity(faces: FaceSet, seed: int) -> np.ndarray:
    """Images in random order, the first one of each labelled identity and all unlabelled ones: int64."""
    shuffled, turn = order_candidates(faces, seed)
    return shuffled[turn == 0]


def read_unit_embeddings(path: Path | str, rows: np.ndarray, count: int) -> np.ndarray:
    """Unit embeddings float32 `[len(rows), D]` of distinct ones of the `count` images of a face set."""
    with open_embeddings(path, count) as h5:
        raw = _read_rows(h5["embedding"], rows)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def read_inquiry_images(faces: FaceSet, source_index: np.ndarray, size: int) -> np.ndarray:
    """Images `source_index` int64 `[n]` of the inquiries' face set, uint8 RGB `[n, size, size, 3]`."""
    images = torch.from_numpy(faces.images(source_index)).permute(0, 3, 1, 2)
    return resize(images, size).permute(0, 2, 3, 1).contiguous().numpy()


def _read_rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    order = np.argsort(rows)  # HDF5 takes distinct rows in rising order only
    values = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
    values[order] = dataset[rows[order]]
    return values


def _read_centers(path: Path | str, identity: np.ndarray) -> np.ndarray:
    with open_artifact(path, schemas.CENTERS) as h5:
        return _read_rows(h5["center"], identity)


def _similarity_to_centers(path: Path | str, faces: FaceSet) -> np.ndarray:
    with open_artifact(path, schemas.CENTERS) as h5:
        names, similarity = h5["identity_names"].asstr()[:].tolist(), h5["similarity"][:]
    if names != faces.identity_names or len(similarity) != len(faces):
        raise InputError(
            f"{path}: centers of {len(names)} identities in {len(similarity)} images, not those of {faces.path} "
            f"({len(faces.identity_names)} in {len(faces)}); find the centers of that face set"
        )
    return similarity

"""A miniature of IJB-C in its own files: rendered faces in loose crops, templates, media and pairs."""

from pathlib import Path

import numpy as np

from semihard.sources.alignment import ARCFACE_112, warp
from semihard.storage.pixels import encode_image

IDENTITIES, PER_IDENTITY = 3, 8
N = IDENTITIES * PER_IDENTITY
# Two templates of each identity, ids in no order; the third medium of a template is a video of two frames.
TEMPLATE = np.repeat([40, 7, 12, 3, 31, 25], 4)
MEDIA = np.tile([900, 2, 5, 5, 900, 8, 6, 6], IDENTITIES)  # medium 900 occurs in several templates
SCORE = np.linspace(0.5, 0.99, N).round(4)
PAIRS = [(40, 7, 1), (12, 3, 1), (31, 25, 1), *((a, b, 0) for a in (40, 7) for b in (12, 3, 31, 25))]


def write_list(folder: Path, what: str, lines: list[str]) -> None:
    (folder / "meta" / f"ijbc_{what}.txt").write_text("".join(f"{line}\n" for line in lines))


def write_ijb(folder: Path, aligned: np.ndarray) -> Path:
    """Every aligned face, uint8 `[N, 112, 112, 3]`, turned and scaled into a crop of its own size, with the five points
    where they went, and the three lists."""
    (folder / "loose_crop").mkdir(parents=True)
    (folder / "meta").mkdir()
    random = np.random.default_rng(0)
    points = []
    for i, image in enumerate(aligned):
        angle, scale = random.uniform(-0.4, 0.4), random.uniform(1.2, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        size = (int(220 * scale), int(200 * scale))
        shift = np.array(size[::-1]) / 2 - turn @ [56, 56]
        crop = warp(image, np.column_stack([turn, shift]), size)
        (folder / "loose_crop" / f"{i + 1}.jpg").write_bytes(encode_image(crop, "jpeg"))
        points.append((ARCFACE_112 @ turn.T + shift).ravel())
    write_list(folder, "face_tid_mid", [f"{i + 1}.jpg {TEMPLATE[i]} {MEDIA[i]}" for i in range(N)])
    rows = [f"{i + 1}.jpg {' '.join(f'{x:.3f}' for x in points[i])} {SCORE[i]}" for i in range(N)]
    write_list(folder, "name_5pts_score", rows)
    write_list(folder, "template_pair_label", [f"{a} {b} {same}" for a, b, same in PAIRS])
    return folder

"""What the shipped recipes need of a GPU's memory, and the `accumulation` with which they fit a small one:
docs/hardware.md.

    PYTHONPATH=workflow_scripts python -m semihard.generator.memory_table

Nothing is trained: the bytes are those that a training says before it starts (recognizer.memory, generator.cost).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from semihard.generator.cost import possible_accumulations, training_cost
from semihard.generator.method import settings_named
from semihard.generator.training import generator_spec
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.memory import possible_accumulations as possible_parts
from semihard.recognizer.memory import training_bytes, with_accumulation
from semihard.recognizer.model_file import EmbedderSpec
from semihard.recognizer.settings import RECIPES, Recognizer
from semihard.similarity.embedders import Embedder

IDENTITIES = 10_572  # CASIA-WebFace's
# Bytes that are free on a card of so many GB before anything runs: less what the driver, CUDA and a desktop take.
GPUS = {12: 11.0e9, 24: 23.0e9}
GUIDES = {"dcface_112": "ir_50", "small_64": "mobilefacenet"}


@dataclass(frozen=True)
class Line:
    """A training: needed(a) bytes in a parts, for every a that its batch allows."""

    section: str
    name: str
    network: str
    batch: int
    half: bool
    parts: tuple[int, ...]
    needed: Callable[[int], int]

    def least(self, free: float) -> int | None:
        """The fewest parts that fit, None where none does."""
        return next((a for a in self.parts if self.needed(a) <= free), None)


def recognizers() -> Iterator[Line]:
    """Every recipe for a GPU, and the cemiface recipe with the deepest backbone of the papers."""
    entries = {recipe: Recognizer(recipe=recipe) for recipe in RECIPES if recipe != "tiny"}
    entries["cemiface, iresnet100"] = Recognizer(backbone="iresnet100")
    for name, entry in entries.items():
        parts = tuple(possible_parts(entry))
        for half in (True, False):

            def needed(a: int, entry: Recognizer = entry, half: bool = half) -> int:
                return training_bytes(with_accumulation(entry, a), IDENTITIES, half)

            yield Line("recognizers", name, entry.backbone, entry.batch, half, parts, needed)


def generators() -> Iterator[Line]:
    """Every method at 112 pixels guided by an IR-50, and small_64 guided by a MobileFaceNet."""
    for method, network in (
        ("cemiface", "dcface_112"),
        ("dcface", "dcface_112"),
        ("ddpm", "dcface_112"),
        ("cemiface", "small_64"),
    ):
        kind = settings_named(method)
        given = {"trained_on": "faces", "network": network, "method": method}
        embedder = guide(GUIDES[network]) if "embedder" in kind.model_fields else None
        entry = kind(**given | ({"embedder": "guide"} if embedder else {}))
        spec, parts = generator_spec(entry, embedder), tuple(possible_accumulations(entry))
        for half in (True, False):
            cost = training_cost(entry, spec, embedder, half)
            yield Line(
                "generators", method, network, entry.batch, half, parts,
                lambda a, cost=cost, batch=entry.batch: cost.needed(batch // a),
            )  # fmt: skip


def guide(backbone: str) -> Embedder:
    """An embedder with random weights, of 112 pixels and 512 numbers."""
    size = (112, 112)
    return Embedder(build_backbone(backbone, size, 512), EmbedderSpec(backbone, size, 512))


def table() -> str:
    """The table, in Markdown."""
    heads = [f"fits {gb} GB with `accumulation`" for gb in GPUS]
    lines = [
        f"| entry | network | batch | precision | whole batch, GB | {' | '.join(heads)} |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in (*recognizers(), *generators()):
        cells = []
        for free in GPUS.values():
            a = line.least(free)
            cells.append("no" if a is None else f"{a} ({line.needed(a) / 1e9:.1f} GB)")
        precision = "bf16, fp16" if line.half else "fp32"
        whole = f"{line.needed(1) / 1e9:.1f}"
        lines.append(
            f"| {line.section}: {line.name} | `{line.network}` | {line.batch} | {precision} | {whole} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    torch.manual_seed(0)
    print(table())

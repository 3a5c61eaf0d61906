"""The networks of generators by name: their shape, and the recipe that a generator of that size is trained by."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """Channels per level; the levels with attention, 0 the finest; channels per head; pixels per side folded into channels
    before the first level; the levels that do not halve. Where a network departs from the papers: `clean`, its output is
    the image x̂0 instead of ε; `tokens` that C_att is split into (the papers: one); `added`, identity and similarity
    enter by the time embedding, too, and as their product (the papers: no)."""

    channels: tuple[int, ...]
    attention: tuple[int, ...]
    head_dim: int
    fold: int = 1
    undivided: tuple[int, ...] = ()
    clean: bool = False
    tokens: int = 1
    added: bool = False

    @property
    def divisor(self) -> int:
        """What the side of an image has to divide by: pixels folded together, times what the levels halve."""
        return self.fold << (len(self.channels) - 1 - len(self.undivided))


@dataclass(frozen=True)
class Size:
    """source: where the network and the values come from; recipe: values in which a generator of it differs from the
    defaults of generator.settings, which are those of `dcface_112`."""

    shape: Shape
    source: str
    recipe: dict[str, object] = field(default_factory=dict)


SIZES = {
    # DCFace's U-Net: 128 × (1, 1, 2, 2, 4, 4), one block per level, attention at 7 × 7. Its fifth halving does nothing.
    "dcface_112": Size(
        Shape((128, 128, 256, 256, 512, 512), attention=(4,), head_dim=64, undivided=(4,)),
        "CemiFace, NeurIPS 2024, and where it is silent DCFace, CVPR 2023. 38 GMAC at 112 pixels.",
    ),
    "small_64": Size(
        Shape((192, 384, 512), attention=(1, 2), head_dim=64, fold=4, clean=True, tokens=8, added=True),
        "Ours, for an evening on one GPU of 12 GB: 64 pixels in folds of 4, 3.3 GMAC.",
        {
            "image_size": 64, "mse_target": "velocity", "weight_cap": 5.0, "gamma": "one", "condition": "same_identity",
            "batch": 256, "learning_rate": 5e-4, "muon_learning_rate": 0.02, "rate_schedule": "cosine",
            "warmup_steps": 200, "ema_decay": 0.999, "compile": True,
        },
    ),
    "tiny": Size(
        Shape((32, 64, 64), attention=(1, 2), head_dim=32, fold=2, clean=True, tokens=4, added=True),
        "Ours, for minutes on a CPU: 32 pixels in folds of 2, 80 MMAC. The trials that it came out of: docs/results.md.",
        {
            "image_size": 32, "mse_target": "velocity", "weight_cap": 5.0, "gamma": "one", "condition": "same_identity",
            "batch": 64, "learning_rate": 2e-3, "muon_learning_rate": 0.02, "rate_schedule": "cosine",
            "warmup_steps": 50, "ema_decay": 0.995,
        },
    ),
}  # fmt: skip

"""The audit of every compared face set."""

from pydantic import Field

from semihard.settings.base import EmbedderName, Positive, Settings


class LeakageAudit(Settings):
    """Are synthetic identities new? Nearest image of the generator's training set, by cosine."""

    false_match_rate: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="The cosine called a match has this rate among different identities of the real set.",
    )


class FidelityAudit(Settings):
    """How near every compared set is to the real one, and how varied: Fréchet distance, precision, recall, density, coverage,
    each beside its null, the two halves of the real set against each other."""

    embedder: EmbedderName | None = Field(
        None,
        description="Whose features are compared; the study's embedder where not given. Best one that no loss has seen.",
    )
    images: Positive = Field(
        10_000, description="At most so many images of each, drawn at random (Naeem et al., ICML 2020: 10,000)."
    )
    nearest: Positive = Field(5, description="k of the balls of precision, recall, density, coverage (the same: 5).")
    inception: str = Field(
        "~/.cache/torch/hub/checkpoints/weights-inception-2015-12-05-6726825d.pth",
        description=(
            "FID's Inception weights. The default is where torch-fidelity and torchmetrics put them; where that is "
            "not there, those columns are left out."
        ),
    )

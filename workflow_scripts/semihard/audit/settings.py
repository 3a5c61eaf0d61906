"""The audit of every compared face set."""

from pydantic import Field

from semihard.settings.base import EmbedderName, FaceSetName, Positive, Settings


class LeakageAudit(Settings):
    """Are the images new? Nearest image of each reference, by cosine, beside that of unrelated people; and duplicates inside a set."""

    false_match_rate: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="The cosine called a match has this rate among different identities of the reference.",
    )
    references: tuple[FaceSetName, ...] = Field(
        (),
        description=(
            "Face sets that every audited set is held against, besides what a synthetic set is in any case: its generator's "
            "training set and its inquiries' face set."
        ),
    )
    unrelated: FaceSetName | None = Field(
        None,
        description=(
            "Real people who are in no reference: the null. Where not given, it is the reference's own images, each against those "
            "of other identities; people under two names make that too high."
        ),
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

"""The audit of every compared face set."""

from pydantic import Field, field_validator

from semihard.settings.base import EmbedderName, FaceSetName, Positive, Settings, each_once


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


class FairnessAudit(Settings):
    """Accuracy, false match and false non-match rate by demographic group, and how far apart the groups are. Groups are those
    of benchmarks with a `group` (RFW's four), and of the attributes of every other benchmark's people."""

    groups: tuple[str, ...] = Field(
        (),
        description=(
            "Attributes of the study's classifier, or families of them, whose groups are compared on benchmarks without a "
            "`group`. An attribute divides into those with and without it, those of one family into each other."
        ),
    )
    false_match_rate: float = Field(
        1e-2,
        gt=0,
        lt=1,
        description=(
            "The false match rate, over impostor pairs within groups, at which the groups are compared. FRCSyn's 1 %: RFW has "
            "12,000 impostor pairs, of which 1e-3 would leave three false matches a group."
        ),
    )
    fewest_pairs: Positive = Field(
        300,
        description=(
            "Fewer genuine or impostor pairs of a group give no rate: of 300 pairs, a rate of 1 % is three errors."
        ),
    )

    @field_validator("groups")
    @classmethod
    def _each_once(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(groups, "name it once")

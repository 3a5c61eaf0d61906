"""Knobs of CemiFace (NeurIPS 2024), and what it needs."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from semihard.generator.settings import Diffusion
from semihard.settings.base import EmbedderName, Positive, Similarity


class CemiFaceGenerator(Diffusion):
    """A similarity-controlled generator (CemiFace, NeurIPS 2024, Sec. 3.2). The method where none is named."""

    conditioned_on: ClassVar = "embedding"
    takes_similarity: ClassVar = True

    method: Literal["cemiface"] = "cemiface"
    embedder: EmbedderName = Field(
        description="The frozen embedder of the identity condition and of both similarity losses."
    )
    lambda_: float = Field(0.05, ge=0, alias="lambda", description="Weight λ of L_SimMat (CemiFace Eq. 14, Table 14).")
    m_min: Similarity = Field(
        -1.0, description="Least similarity trained on (CemiFace Table 2: [−1, 1] is best, then [0, 1], then 0 alone)."
    )
    m_max: Similarity = Field(1.0, description="Greatest similarity trained on.")
    m_step: float = Field(
        0.04,
        ge=0,
        description=(
            "Grid of m. CemiFace Sec. 4.1 says 0.02, Sec. 4.3 and the headline row of Table 2 say 0.04. 0: "
            "continuous m, which its authors found to be ignored."
        ),
    )
    measure: Literal["cosine", "euclidean"] = Field(
        "cosine",
        description=(
            "What m is compared with: the cosine, or 1 − the Euclidean distance of the unit embeddings, also in "
            "[−1, 1] (CemiFace's ablation, which gives no formula; this one is ours)."
        ),
    )
    condition: Literal["own_image", "same_identity"] = Field(
        "own_image",
        description=(
            "Whose embedding C_id is, and what m is measured against: the image's own (CemiFace Sec. 3.2), or "
            "another's of its identity, drawn anew each time, where the face set has labels. From its own "
            "embedding a network reads pose and light, too, and then repeats the inquiry's."
        ),
    )
    guide_every: Positive = Field(
        1,
        description=(
            "L_SimMat is taken on every so-manieth image of a batch (the papers: 1, on all): where the embedder "
            "costs more than the network, its gradient from a part of the batch is the better bargain."
        ),
    )
    gamma: Literal["linear", "half", "one"] = Field(
        "linear",
        description=(
            "γ_t in L_SimMat. linear: t/T (CemiFace Eq. 13). half: ½ at all t, the ablation. one: L_sim alone, "
            "for short trainings: what asks for cosine 1 whatever m is leaves them no time to learn m."
        ),
    )

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _grid(self) -> "CemiFaceGenerator":
        if self.m_min > self.m_max:
            raise ValueError(f"m_min {self.m_min} is above m_max {self.m_max}")
        if self.batch // (self.processes * self.accumulation) % self.guide_every:
            at_once = self.batch // (self.processes * self.accumulation)
            raise ValueError(
                f"guide_every {self.guide_every} does not divide {at_once}, the images worked off at a time (batch over "
                "processes and accumulation)"
            )
        return self

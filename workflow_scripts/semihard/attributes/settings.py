"""Attribute classifiers, and what the attribute study compares by one of them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from semihard.settings.base import (
    SEED,
    ClassifierName,
    ClassifierSettings,
    EmbedderName,
    FaceSetName,
    Positive,
    Settings,
    UserFile,
    each_once,
)


class TrainedClassifier(ClassifierSettings):
    """The massive attribute classifier (MAC) of Terhörst et al., MAAD-Face (IEEE TIFS 2021): a trunk and a branch per attribute
    on face embeddings, trained on labelled face sets."""

    made_by: ClassVar = ("train_attribute_classifier",)
    source: Literal["labels"]
    labelled: tuple[FaceSetName, ...] = Field(
        min_length=1,
        description=(
            "Face sets with attribute columns. A classifier is trained on each; an attribute that several have is taken from "
            "the one that sees it best on held-out people (MAAD-Face, Sec. III: the better source)."
        ),
    )
    embedder: EmbedderName = Field(
        description="Whose embeddings it sees. One that did not guide the generator whose faces are judged is the better witness."
    )
    accuracy: float = Field(
        0.9,
        gt=0.5,
        lt=1,
        description=(
            "Balanced accuracy on held-out people that the labels kept must reach: sets each attribute's least reliability "
            "(MAAD-Face: 90 %; of which accuracy is not said in what we could read, balanced as in its loss is ours)."
        ),
    )
    exclude: tuple[str, ...] = Field(
        ("Attractive",),
        description="Attributes of the sets that are not learnt. The default is a judgement of taste, not a property of a face.",
    )
    epochs: Positive = Field(
        12,
        description=(
            "Times each labelled image is seen, in batches of 256. MAAD-Face: 200 times 160,000 images in batches of 1024; 12 is "
            "ours, for a CPU: five minutes for 23,500 photographs. More has not been tried."
        ),
    )
    seed: int = SEED

    @field_validator("labelled")
    @classmethod
    def _each_once(cls, labelled: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(labelled, "name it once")


class ClassifierFile(ClassifierSettings):
    """A classifier that another study trained: its `attribute_classifiers/<name>/model.safetensors`."""

    made_by: ClassVar = ("import_attribute_classifier",)
    source: Literal["file"]
    path: Annotated[str, UserFile("the model.safetensors of an attribute classifier is expected")] = Field(
        description="The file. `~` and environment variables are expanded."
    )
    embedder: EmbedderName = Field(description="The embedder it was trained with: the same weights, or it is refused.")


class Annotation(Settings):
    """When a label of an annotated image is undefined."""

    confidence: Literal["reliability", "probability"] = Field(
        "reliability",
        description=(
            "What decides whether a label is defined. reliability: above the attribute's threshold, by 100 dropout passes "
            "(Terhörst et al., BTAS 2019: centrality minus dispersion). probability: of the predicted side, calibrated."
        ),
    )
    least_probability: float = Field(
        0.75, ge=0.5, le=1, description="With confidence: probability, the least of the predicted side."
    )


class AttributeStudy(Annotation):
    """The attribute study: one classifier annotates every set, and any two are compared (Neto et al., FG 2024)."""

    renamed: ClassVar = {
        "labelled": "attribute_classifiers.<name>.labelled, and <name> is given here as classifier",
        "reliability": "least_probability",
    }

    classifier: ClassifierName = Field(description="Which attribute classifier annotates the sets.")
    controls: tuple[FaceSetName, ...] = Field(
        (), description="Further real sets to annotate and compare: real against real says what a difference is worth."
    )
    joint: tuple[str, ...] = Field(
        (),
        description=(
            "Attributes and families (age, group, hair_colour, …) whose joint distribution is compared as well, each image in "
            "one cell: [age, Male, group] is age × sex × group."
        ),
    )
    resamples: int = Field(
        1000,
        ge=100,
        description="Bootstrap resamples of identities behind a 95 % interval, and halvings behind a floor.",
    )

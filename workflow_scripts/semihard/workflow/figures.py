"""The figures of a study: what draws each, from what, where it stands in the report, and when it is made.

To add one: a function in semihard/figures that takes its inputs, then `picture` and `table`, the two files that it
writes, and its settings by name; a caption in report/; a line here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from semihard.workflow.attribute_plan import attribute_sets, mapped_attributes, over_m, varied_attributes
from semihard.workflow.figure_inputs import (
    audited_for_fairness,
    benchmarks_of,
    benchmarks_with_epochs,
    bins_of_real,
    calibrated,
    centers_of_compared,
    compared_attributes,
    epochs_of,
    faces_and_embeddings,
    facesets_of,
    generators_of,
    kept,
    kept_over_similarity,
    leakage_and_faces,
    map_and_annotations,
    mixed_facesets,
    of_facesets,
    of_generator,
    recognizer_histories,
    varied_facesets,
    where,
)
from semihard.workflow.leakage_references import leakages
from semihard.workflow.study import Plan


def nothing(*_: object) -> dict:
    """No settings."""
    return {}


def once(plan: Plan) -> list[dict[str, str]]:
    """One picture, without wildcards."""
    return [{}]


@dataclass(frozen=True)
class Figure:
    """rule: its name; draws: module and function in semihard/figures; picture: its path in the results' figures, the CSV
    beside it; caption: a file of report/. inputs: of a plan and wildcards, the files by name; where there is one list and
    the settings have `labels`, they name its files. shown: of a plan, the wildcards of every picture that it has.
    also: further files whose change draws it anew."""

    rule: str
    draws: str
    picture: str
    caption: str
    category: str
    labels: dict[str, str]
    inputs: Callable
    shown: Callable[[Plan], list[dict[str, str]]] = once
    settings: Callable = nothing
    also: Callable[[Plan], list[str]] = field(default=lambda plan: [])

    @property
    def table(self) -> str:
        """The CSV's path."""
        return f"{self.picture.rpartition('.')[0]}.csv"

    def inputs_of(self, plan: Plan) -> Callable:
        """The input function of its rule."""
        return lambda wildcards: self.inputs(plan, wildcards)

    def settings_of(self, plan: Plan) -> Callable:
        """The parameter function of its rule."""
        return lambda wildcards: {"draws": self.draws, **self.settings(plan, wildcards)}


def pictures(plan: Plan) -> list[str]:
    """Every picture of the report; beside each lies the CSV of the numbers it draws."""
    return [
        f"{plan.results}/figures/{figure.picture.format(**wildcards)}"
        for figure in FIGURES
        for wildcards in figure.shown(plan)
    ]


FIGURES = [
    Figure(
        "plot_sample_sheet", "sheets:plot_sample_sheet", "samples/{faceset}.png", "samples", "Face sets",
        {"face set": "{faceset}", "figure": "samples"},
        lambda plan, wildcards: {"faces": plan.path("faces", faceset=wildcards.faceset)}, facesets_of,
    ),
    Figure(
        "plot_training_curves", "training:plot_training_curves", "generators/{generator}/training.svg", "training",
        "Generators", {"generator": "{generator}", "figure": "training"},
        lambda plan, wildcards: {"histories": [plan.path("generator history", generator=wildcards.generator)]},
        generators_of, lambda plan, wildcards: {"labels": [wildcards.generator], "real": None},
    ),
    Figure(
        "plot_similarity_ladder", "sheets:plot_similarity_ladder", "generators/{generator}/ladder.png", "ladder",
        "Generators", {"generator": "{generator}", "figure": "similarity ladder"}, of_generator("calibration"), calibrated,
    ),
    Figure(
        "plot_calibration", "similarity:plot_calibration", "generators/{generator}/calibration.svg", "calibration",
        "Generators", {"generator": "{generator}", "figure": "calibration"}, of_generator("calibration"), calibrated,
    ),
    Figure(
        "plot_learning", "learning:plot_learning", "generators/{generator}/learning.svg", "learning", "Generators",
        {"generator": "{generator}", "figure": "fidelity over images seen"}, of_generator("learning"), kept,
    ),
    Figure(
        "plot_learning_similarity", "learning:plot_learning_similarity", "generators/{generator}/learning_similarity.svg",
        "learning_similarity", "Generators", {"generator": "{generator}", "figure": "calibration of each epoch kept"},
        of_generator("learning"), kept_over_similarity,
    ),
    Figure(
        "plot_learning_faces", "learning:plot_learning_faces", "generators/{generator}/learning_faces.png",
        "learning_faces", "Generators", {"generator": "{generator}", "figure": "faces of each epoch kept"},
        of_generator("learning"), kept,
    ),
    Figure(
        "plot_similarity_histogram", "similarity:plot_similarity_histogram", "similarity.svg", "similarity", "Similarity",
        {"figure": "similarity to center"}, centers_of_compared,
        shown=where(Plan.compared_facesets),
        settings=lambda plan, wildcards: {"labels": plan.compared_facesets(), "real": plan.study.real},
    ),
    Figure(
        "plot_bins", "similarity:plot_bins", "bins.svg", "bins", "Similarity", {"figure": "similarity bins"}, bins_of_real,
        where(Plan.compared_facesets),
    ),
    Figure(
        "plot_diversity", "audits:plot_diversity", "diversity.svg", "diversity", "Audit", {"figure": "diversity"},
        shown=where(Plan.examined_facesets), **of_facesets("diversity", Plan.examined_facesets),
    ),
    Figure(
        "plot_feature_map", "features:plot_feature_map", "features.png", "features", "Similarity",
        {"figure": "map of features"}, faces_and_embeddings, where(Plan.measured_facesets),
        lambda plan, wildcards: {"names": plan.examined_facesets(), "real": plan.study.real},
    ),
    Figure(
        "plot_mixup_path", "sheets:plot_mixup_path", "mixup_paths/{faceset}.png", "mixup_path", "Face sets",
        {"face set": "{faceset}", "figure": "path over φ"},
        lambda plan, wildcards: {"path": plan.path("mixup path", faceset=wildcards.faceset)}, mixed_facesets,
    ),
    Figure(
        "plot_factors", "factors:plot_factors", "factors.svg", "factors", "Audit", {"figure": "one factor varied"},
        of_facesets("diversity", varied_facesets)["inputs"], where(varied_facesets),
        lambda plan, wildcards: {"labels": list(varied_facesets(plan)), "varies": varied_facesets(plan)},
    ),
    Figure(
        "plot_recognizer_curves", "training:plot_training_curves", "recognizers.svg", "training", "Recognizers",
        {"figure": "training"}, recognizer_histories, where(Plan.comparisons),
        settings=lambda plan, wildcards: {"labels": plan.labels(), "real": plan.study.real},
    ),
    Figure(
        "plot_accuracy", "verification:plot_accuracy_table", "accuracy.svg", "scores", "Results",
        {"figure": "accuracy and gap to real"}, lambda plan, wildcards: {"scores": plan.path("scores", form="csv")},
        where(Plan.runs),
    ),
    Figure(
        "plot_accuracy_over_similarity", "discovery:plot_accuracy_over_similarity", "accuracy_over_similarity.svg",
        "accuracy_over_similarity", "Results", {"figure": "accuracy over similarity"},
        lambda plan, wildcards: {"scores": plan.path("scores", form="h5")}, where(Plan.similarity_series),
        lambda plan, wildcards: {"series": plan.similarity_series(), "real": plan.study.real},
        lambda plan: [series["bins"] for series in plan.similarity_series() if series["bins"]],
    ),
    Figure(
        "plot_roc", "verification:plot_roc", "roc/{benchmark}.svg", "roc", "Results",
        {"benchmark": "{benchmark}", "figure": "ROC"},
        lambda plan, wildcards: {"verifications": list(plan.first_runs(wildcards.benchmark).values())}, benchmarks_of,
        lambda plan, wildcards: {"labels": list(plan.first_runs(wildcards.benchmark)), "real": plan.study.real},
    ),
    Figure(
        "plot_epochs", "learning:plot_epochs", "epochs/{benchmark}.svg", "epochs", "Results",
        {"benchmark": "{benchmark}", "figure": "accuracy of each epoch kept"},
        lambda plan, wildcards: {"epochs": list(epochs_of(plan, wildcards.benchmark).values())}, benchmarks_with_epochs,
        lambda plan, wildcards: {"labels": list(epochs_of(plan, wildcards.benchmark)), "real": plan.study.real},
    ),
    Figure(
        "plot_fidelity", "audits:plot_fidelity", "fidelity.svg", "fidelity", "Audit", {"figure": "fidelity"},
        shown=where(Plan.measured_facesets), **of_facesets("fidelity", Plan.measured_facesets),
    ),
    Figure(
        "plot_leakage", "leakage:plot_leakage", "leakage.svg", "leakage", "Audit", {"figure": "leakage"},
        lambda plan, wildcards: {"audits": [plan.path("leakage", **which) for which in leakages(plan)]},
        where(leakages),
        lambda plan, wildcards: {"labels": ["{faceset} | {reference}".format(**which) for which in leakages(plan)]},
    ),
    Figure(
        "plot_nearest_sheet", "leakage_sheet:plot_nearest_sheet", "leakage/{faceset}/{reference}.png", "nearest", "Audit",
        {"face set": "{faceset}", "reference": "{reference}", "figure": "nearest images"}, leakage_and_faces, leakages,
    ),
    Figure(
        "plot_duplicates", "leakage:plot_duplicates", "duplicates.svg", "duplicates", "Audit",
        {"figure": "near-duplicates"}, shown=where(Plan.examined_facesets),
        **of_facesets("duplicates", Plan.examined_facesets),
    ),
    Figure(
        "plot_attributes", "attributes:plot_attributes", "attributes.svg", "attributes", "Attributes",
        {"figure": "prevalence, undefined, consistency"}, compared_attributes("sets"), where(attribute_sets),
    ),
    Figure(
        "plot_attribute_divergence", "attributes:plot_attribute_divergence", "attribute_divergence.svg",
        "attribute_divergence", "Attributes", {"figure": "divergence both ways"}, compared_attributes("pairs"),
        where(attribute_sets),
    ),
    Figure(
        "plot_attribute_heat", "attributes:plot_attribute_heat", "attribute_heat.svg", "attribute_heat", "Attributes",
        {"figure": "attribute by set"}, compared_attributes("sets"), where(attribute_sets),
    ),
    Figure(
        "plot_attribute_curves", "attributes:plot_attribute_curves", "attribute_curves.svg", "attribute_curves",
        "Attributes", {"figure": "over m and φ"}, compared_attributes("sets", "along"), where(varied_attributes),
        lambda plan, wildcards: {"series": over_m(plan)},
    ),
    Figure(
        "plot_attribute_map", "features:plot_attribute_map", "attribute_map.png", "attribute_map", "Attributes",
        {"figure": "map of features by attribute"}, map_and_annotations, where(mapped_attributes),
        lambda plan, wildcards: {"names": mapped_attributes(plan)},
    ),
    Figure(
        "plot_fairness", "fairness:plot_fairness", "fairness/{benchmarks}.svg", "fairness", "Results",
        {"benchmark": "{benchmarks}", "figure": "fairness"},
        lambda plan, wildcards: {"table": plan.path("fairness table", form="csv")}, audited_for_fairness,
        lambda plan, wildcards: {"benchmarks": wildcards.benchmarks, "real": plan.study.real},
    ),
]  # fmt: skip

"""
Figures, each with the CSV of what it draws, and exports.

REQUIRED INPUTS: the artifacts of the other stages
OUTPUTS: <results>/figures/…, <results>/export/{faceset}/{form}
"""

SYNTHETIC = PLAN.synthetic_facesets()
COMPARED = PLAN.compared_facesets()
MEASURED = PLAN.measured_facesets()


rule plot_sample_sheet:
    """Some identities of a face set, one row each."""
    input:
        faces="<results>/facesets/{faceset}.h5",
    output:
        picture=report(
            "<results>/figures/samples/{faceset}.png",
            caption="../report/samples.rst",
            category="Face sets",
            labels={"face set": "{faceset}", "figure": "samples"},
        ),
        table="<results>/figures/samples/{faceset}.csv",
    log:
        "<results>/logs/plot_sample_sheet/{faceset}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_sample_sheet.py"),
    script:
        "../workflow_scripts/plot_sample_sheet.py"


rule plot_similarity_ladder:
    """Rows of inquiries, columns of requested m, the same noise along a row."""
    input:
        calibration="<results>/generators/{generator}/calibration.h5",
    output:
        picture=report(
            "<results>/figures/generators/{generator}/ladder.png",
            caption="../report/ladder.rst",
            category="Generators",
            labels={"generator": "{generator}", "figure": "similarity ladder"},
        ),
        table="<results>/figures/generators/{generator}/ladder.csv",
    log:
        "<results>/logs/plot_similarity_ladder/{generator}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_similarity_ladder.py"),
    script:
        "../workflow_scripts/plot_similarity_ladder.py"


rule plot_calibration:
    """Requested m against achieved similarity."""
    input:
        calibration="<results>/generators/{generator}/calibration.h5",
    output:
        picture=report(
            "<results>/figures/generators/{generator}/calibration.svg",
            caption="../report/calibration.rst",
            category="Generators",
            labels={"generator": "{generator}", "figure": "calibration"},
        ),
        table="<results>/figures/generators/{generator}/calibration.csv",
    log:
        "<results>/logs/plot_calibration/{generator}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_calibration.py"),
    script:
        "../workflow_scripts/plot_calibration.py"


rule plot_training_curves:
    """The generator's losses over its training."""
    input:
        histories=["<results>/generators/{generator}/history.h5"],
    output:
        picture=report(
            "<results>/figures/generators/{generator}/training.svg",
            caption="../report/training.rst",
            category="Generators",
            labels={"generator": "{generator}", "figure": "training"},
        ),
        table="<results>/figures/generators/{generator}/training.csv",
    log:
        "<results>/logs/plot_training_curves/{generator}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings=lambda wildcards: {"labels": [wildcards.generator], "real": None},
        code=code("plot_training_curves.py"),
    script:
        "../workflow_scripts/plot_training_curves.py"


rule plot_learning:
    """Fidelity over images seen, from the epochs that a generator's training kept."""
    input:
        learning="<results>/generators/{generator}/learning.h5",
    output:
        picture=report(
            "<results>/figures/generators/{generator}/learning.svg",
            caption="../report/learning.rst",
            category="Generators",
            labels={"generator": "{generator}", "figure": "fidelity over images seen"},
        ),
        table="<results>/figures/generators/{generator}/learning.csv",
    log:
        "<results>/logs/plot_learning/{generator}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_learning.py"),
    script:
        "../workflow_scripts/plot_learning.py"


use rule plot_training_curves as plot_recognizer_curves with:
    input:
        histories=[
            PLAN.recognizer_model(row.recognizer, row.faceset, STUDY.seeds[0]).replace(
                "model.safetensors", "history.h5"
            )
            for row in PLAN.comparisons()
        ],
    output:
        picture=report(
            "<results>/figures/recognizers.svg",
            caption="../report/training.rst",
            category="Recognizers",
            labels={"figure": "training"},
        ),
        table="<results>/figures/recognizers.csv",
    log:
        "<results>/logs/plot_recognizer_curves.log",
    params:
        settings={"labels": PLAN.labels(), "real": STUDY.real},
        code=code("plot_training_curves.py"),


rule plot_similarity_histogram:
    """Similarity of images to their identity center, in every compared face set."""
    input:
        centers=[PLAN.centers(STUDY.embedder, faceset, "mean") for faceset in COMPARED],
    output:
        picture=report(
            "<results>/figures/similarity.svg",
            caption="../report/similarity.rst",
            category="Similarity",
            labels={"figure": "similarity to center"},
        ),
        table="<results>/figures/similarity.csv",
    log:
        "<results>/logs/plot_similarity_histogram.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"labels": COMPARED, "real": STUDY.real},
        code=code("plot_similarity_histogram.py"),
    script:
        "../workflow_scripts/plot_similarity_histogram.py"


rule plot_bins:
    """The similarity bins of the real set (CemiFace, Table 1 and Table 9)."""
    input:
        centers=PLAN.centers(STUDY.embedder, STUDY.real, STUDY.center),
        bins=PLAN.bins(STUDY.embedder, STUDY.real, STUDY.center, STUDY.binning),
    output:
        picture=report(
            "<results>/figures/bins.svg",
            caption="../report/bins.rst",
            category="Similarity",
            labels={"figure": "similarity bins"},
        ),
        table="<results>/figures/bins.csv",
    log:
        "<results>/logs/plot_bins.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_bins.py"),
    script:
        "../workflow_scripts/plot_bins.py"


rule plot_roc:
    """True accept rate over false accept rate on one benchmark."""
    input:
        verifications=lambda wildcards: PLAN.first_runs(wildcards.benchmark).values(),
    output:
        picture=report(
            "<results>/figures/roc/{benchmark}.svg",
            caption="../report/roc.rst",
            category="Results",
            labels={"benchmark": "{benchmark}", "figure": "ROC"},
        ),
        table="<results>/figures/roc/{benchmark}.csv",
    log:
        "<results>/logs/plot_roc/{benchmark}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings=lambda wildcards: {"labels": list(PLAN.first_runs(wildcards.benchmark)), "real": STUDY.real},
        code=code("plot_roc.py"),
    script:
        "../workflow_scripts/plot_roc.py"


rule plot_accuracy:
    """The study table as a picture, with the gap to real."""
    input:
        scores="<results>/study/scores.csv",
    output:
        picture=report(
            "<results>/figures/accuracy.svg",
            caption="../report/scores.rst",
            category="Results",
            labels={"figure": "accuracy and gap to real"},
        ),
        table="<results>/figures/accuracy.csv",
    log:
        "<results>/logs/plot_accuracy.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("plot_accuracy.py"),
    script:
        "../workflow_scripts/plot_accuracy.py"


rule plot_accuracy_over_similarity:
    """Accuracy over the similarity bin or over the requested similarity: is there a semi-hard optimum?"""
    input:
        scores="<results>/study/scores.h5",
        bins=[series["bins"] for series in PLAN.similarity_series() if series["bins"]],
    output:
        picture=report(
            "<results>/figures/accuracy_over_similarity.svg",
            caption="../report/accuracy_over_similarity.rst",
            category="Results",
            labels={"figure": "accuracy over similarity"},
        ),
        table="<results>/figures/accuracy_over_similarity.csv",
    log:
        "<results>/logs/plot_accuracy_over_similarity.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"series": PLAN.similarity_series(), "real": STUDY.real},
        code=code("plot_accuracy_over_similarity.py"),
    script:
        "../workflow_scripts/plot_accuracy_over_similarity.py"


rule plot_diversity:
    """Genuine and impostor similarities of every compared face set."""
    input:
        diversities=expand("<results>/audit/diversity/{faceset}.h5", faceset=COMPARED),
    output:
        picture=report(
            "<results>/figures/diversity.svg",
            caption="../report/diversity.rst",
            category="Audit",
            labels={"figure": "diversity"},
        ),
        table="<results>/figures/diversity.csv",
    log:
        "<results>/logs/plot_diversity.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"labels": COMPARED},
        code=code("plot_diversity.py"),
    script:
        "../workflow_scripts/plot_diversity.py"


rule plot_fidelity:
    """Fréchet distance, precision, recall, density and coverage of every compared face set, and their null."""
    input:
        fidelities=expand("<results>/audit/fidelity/{faceset}.h5", faceset=MEASURED),
    output:
        picture=report(
            "<results>/figures/fidelity.svg",
            caption="../report/fidelity.rst",
            category="Audit",
            labels={"figure": "fidelity"},
        ),
        table="<results>/figures/fidelity.csv",
    log:
        "<results>/logs/plot_fidelity.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"labels": MEASURED},
        code=code("plot_fidelity.py"),
    script:
        "../workflow_scripts/plot_fidelity.py"


rule plot_leakage:
    """Nearest training face of every synthetic image."""
    input:
        leakages=expand("<results>/audit/leakage/{faceset}.h5", faceset=SYNTHETIC),
    output:
        picture=report(
            "<results>/figures/leakage.svg",
            caption="../report/leakage.rst",
            category="Audit",
            labels={"figure": "leakage"},
        ),
        table="<results>/figures/leakage.csv",
    log:
        "<results>/logs/plot_leakage.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"labels": SYNTHETIC},
        code=code("plot_leakage.py"),
    script:
        "../workflow_scripts/plot_leakage.py"


rule plot_attributes:
    """Attributes of real and synthetic sets, divergence both ways."""
    input:
        divergences=expand("<results>/audit/divergence/{faceset}.csv", faceset=SYNTHETIC),
    output:
        picture=report(
            "<results>/figures/attributes.svg",
            caption="../report/attributes.rst",
            category="Audit",
            labels={"figure": "attributes"},
        ),
        table="<results>/figures/attributes.csv",
    log:
        "<results>/logs/plot_attributes.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={"labels": SYNTHETIC},
        code=code("plot_attributes.py"),
    script:
        "../workflow_scripts/plot_attributes.py"


rule export_faces:
    """A face set for other people's code: a folder of images, InsightFace's RecordIO, or WebDataset tars."""
    input:
        faces="<results>/facesets/{faceset}.h5",
    output:
        folder=directory("<results>/export/{faceset}/{form}"),
    log:
        "<results>/logs/export_faces/{faceset}/{form}.log",
    wildcard_constraints:
        form="folder|recordio|webdataset",
    conda:
        "../envs/faces.yaml"
    params:
        settings=lambda wildcards: {"form": wildcards.form},
        code=code("export_faces.py"),
    script:
        "../workflow_scripts/export_faces.py"

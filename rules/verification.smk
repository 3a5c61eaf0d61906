"""
Verification and the study table.

REQUIRED INPUTS: <results>/benchmarks/{benchmark}/faces.h5 and pairs.h5, models of recognizers and embedders
OUTPUTS: <results>/verification/…/{benchmark}.h5, <results>/study/scores.csv, .md, .tex, .h5 and mcnemar.csv
"""


rule verify:
    """A trained recognizer on one benchmark: ten folds, threshold from the other nine; of templates, true accept rates."""
    input:
        faces="<results>/benchmarks/{benchmark}/faces.h5",
        pairs="<results>/benchmarks/{benchmark}/pairs.h5",
        model="<results>/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors",
    output:
        verification="<results>/verification/recognizers/{recognizer}/{faceset}/seed{seed}/{benchmark}.h5",
    log:
        "<results>/logs/verify/{recognizer}/{faceset}/seed{seed}/{benchmark}.log",
    conda:
        "../envs/training.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        settings={"thresholds": STUDY.thresholds},
        code=code("verify.py"),
    script:
        "../workflow_scripts/verify.py"


use rule verify as verify_embedder with:
    input:
        faces="<results>/benchmarks/{benchmark}/faces.h5",
        pairs="<results>/benchmarks/{benchmark}/pairs.h5",
        model=embedder_model,
    output:
        verification="<results>/verification/embedders/{embedder}/{benchmark}.h5",
    log:
        "<results>/logs/verify_embedder/{embedder}/{benchmark}.log",


rule verify_epochs:
    """Every epoch that a training kept, on one benchmark: for the best single epoch, which is not the result."""
    input:
        faces="<results>/benchmarks/{benchmark}/faces.h5",
        pairs="<results>/benchmarks/{benchmark}/pairs.h5",
        epochs="<results>/recognizers/{recognizer}/{faceset}/seed{seed}/epochs",
    output:
        epochs="<results>/verification/recognizers/{recognizer}/{faceset}/seed{seed}/epochs/{benchmark}.h5",
    log:
        "<results>/logs/verify_epochs/{recognizer}/{faceset}/seed{seed}/{benchmark}.log",
    conda:
        "../envs/training.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        settings={"thresholds": STUDY.thresholds},
        code=code("verify_epochs.py"),
    script:
        "../workflow_scripts/verify_epochs.py"


rule score_study:
    """The study table: accuracy per benchmark, average, gap to real, seeds and intervals."""
    input:
        [run["path"] for run in PLAN.runs()],
        [run["epochs"] for run in PLAN.runs() if run["epochs"]],
        PLAN.fidelities().values(),
    output:
        csv=report("<results>/study/scores.csv", caption="../report/scores.rst", category="Results"),
        markdown="<results>/study/scores.md",
        latex="<results>/study/scores.tex",
        h5="<results>/study/scores.h5",
        mcnemar="<results>/study/mcnemar.csv",
    log:
        "<results>/logs/score_study.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings={
            "runs": PLAN.runs(),
            "real": STUDY.real,
            "averaged": list(STUDY.benchmarks),
            "published": list(STUDY.published),
            "paper_style": STUDY.paper_style,
            "fidelities": PLAN.fidelities(),
        },
        code=code("score_study.py"),
    script:
        "../workflow_scripts/score_study.py"

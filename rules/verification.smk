"""
Verification and the study table.

REQUIRED INPUTS: <results>/benchmarks/{benchmark}/faces.h5 and pairs.h5, models of recognizers and embedders
OUTPUTS: <results>/verification/…/{benchmark}.h5, <results>/study/scores.csv, .md, .tex, .h5 and mcnemar.csv
"""


rule verify:
    """A trained recognizer on one benchmark: ten folds, threshold from the other nine; of templates, true accept rates."""
    input:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
        model=at("recognizer"),
    output:
        verification=at("verification"),
    log:
        "<results>/logs/verify/{recognizer}/{faceset}/seed{seed}/{benchmark}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        settings={"thresholds": STUDY.thresholds},
        code=code("verify"),
    script:
        "../workflow_scripts/verify.py"


use rule verify as verify_embedder with:
    input:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
        model=embedder_model,
    output:
        verification=at("verified embedder"),
    log:
        "<results>/logs/verify_embedder/{embedder}/{benchmark}.log",


rule verify_epochs:
    """Every epoch that a training kept, on one benchmark: for the best single epoch, which is not the result."""
    input:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
        epochs=at("recognizer epochs"),
    output:
        epochs=at("verified epochs"),
    log:
        "<results>/logs/verify_epochs/{recognizer}/{faceset}/seed{seed}/{benchmark}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(8000),
        runtime=minutes(240),
    params:
        settings={"thresholds": STUDY.thresholds},
        code=code("verify_epochs"),
    script:
        "../workflow_scripts/verify_epochs.py"


rule score_study:
    """The study table: accuracy per benchmark, average, gap to real, seeds and intervals."""
    input:
        [run["path"] for run in PLAN.runs()],
        [run["epochs"] for run in PLAN.runs() if run["epochs"]],
        PLAN.fidelities().values(),
        PLAN.files_of_compared().values(),
    output:
        csv=report(at("scores", form="csv"), caption="../report/scores.rst", category="Results"),
        markdown=at("scores", form="md"),
        latex=at("scores", form="tex"),
        h5=at("scores", form="h5"),
        mcnemar=at("mcnemar"),
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
            "facesets": PLAN.files_of_compared(),
        },
        code=code("score_study"),
    script:
        "../workflow_scripts/score_study.py"

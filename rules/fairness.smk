"""
Fairness of every line of the study table: error rates by demographic group, at one threshold.

REQUIRED INPUTS: verifications, <results>/benchmarks/{benchmark}/faces.h5 and pairs.h5, attributes of the benchmark's faces
OUTPUTS: <results>/fairness/…/{benchmarks}.h5, <results>/study/fairness.csv and .md
"""


rule measure_fairness:
    """Accuracy, false match and false non-match rate of groups, and measures over them (Howard et al., 2022; RFW; FRCSyn)."""
    input:
        unpack(benchmark_groups_inputs),
        verifications=verifications_by("verification"),
    output:
        fairness=at("fairness"),
    log:
        "<results>/logs/measure_fairness/{recognizer}/{faceset}/seed{seed}/{benchmarks}.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=lambda wildcards: fairness_settings(PLAN, wildcards.benchmarks),
        code=code("measure_fairness"),
    script:
        "../workflow_scripts/measure_fairness.py"


use rule measure_fairness as measure_fairness_of_embedder with:
    input:
        unpack(benchmark_groups_inputs),
        verifications=verifications_by("verified embedder"),
    output:
        fairness=at("fairness of embedder"),
    log:
        "<results>/logs/measure_fairness_of_embedder/{embedder}/{benchmarks}.log",


rule score_fairness:
    """The table of groups: their rates in every line of the study table, mean over seeds, and the measures over groups."""
    input:
        [run["path"] for run in fairness_runs(PLAN)],
    output:
        csv=report(at("fairness table", form="csv"), caption="../report/fairness.rst", category="Results"),
        markdown=at("fairness table", form="md"),
    log:
        "<results>/logs/score_fairness.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings={"runs": fairness_runs(PLAN)},
        code=code("score_fairness"),
    script:
        "../workflow_scripts/score_fairness.py"

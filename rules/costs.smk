"""
What the study took.

REQUIRED INPUTS: all that the study delivers; the run records in <results>/provenance
OUTPUTS: <results>/study/costs.csv, which is not the same from run to run
"""


rule count_costs:
    """Jobs, time, memory, GPU time and energy by rule. All deliverables are inputs, so that it comes last and again after each."""
    input:
        DELIVERABLES,
    output:
        csv=report(at("costs"), caption="../report/costs.rst", category="Study", labels={"table": "costs"}),
    log:
        "<results>/logs/count_costs.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("count_costs"),
    script:
        "../workflow_scripts/count_costs.py"

"""
Figures, each with the CSV of what it draws, the report of all of them, and exports.

REQUIRED INPUTS: the artifacts of the other stages
OUTPUTS: <results>/figures/…, <results>/report.html, <results>/export/{faceset}/{form}, <results>/export/benchmarks/{benchmark}.bin
"""

for figure in FIGURES:

    rule:
        name:
            figure.rule
        input:
            unpack(figure.inputs_of(PLAN)),
            also=figure.also(PLAN),
        output:
            picture=report(
                f"<results>/figures/{figure.picture}",
                caption=f"../report/{figure.caption}.rst",
                category=figure.category,
                labels=figure.labels,
            ),
            table=f"<results>/figures/{figure.table}",
        log:
            f"<results>/logs/{figure.rule}/{figure.picture}.log",
        conda:
            "../envs/report.yaml"
        params:
            settings=figure.settings_of(PLAN),
            code=code("plot_figure", drawn=figure.draws),
        script:
            "../workflow_scripts/plot_figure.py"


rule write_report:
    """The whole study in one file that needs no other: what was found, every figure with its numbers, how it was made."""
    input:
        lambda wildcards: report_inputs(PLAN, left_out),
    output:
        page=report(
            at("report"), caption="../report/report.rst", category="About the study", labels={"figure": "report"}
        ),
    log:
        "<results>/logs/write_report.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings=lambda wildcards: report_contents(PLAN, left_out),
        code=code("write_report"),
    script:
        "../workflow_scripts/write_report.py"


rule export_faces:
    """A face set for other people's code, with its card; where the study audits the set, with what it found."""
    input:
        unpack(lambda wildcards: export_inputs(PLAN, wildcards.faceset)),
    output:
        folder=directory(at("export")),
    log:
        "<results>/logs/export_faces/{faceset}/{form}.log",
    wildcard_constraints:
        form="|".join(EXPORTED_AS),
    conda:
        "../envs/faces.yaml"
    params:
        settings=lambda wildcards: {"form": wildcards.form},
        code=code("export_faces", "form"),
    script:
        "../workflow_scripts/export_faces.py"


rule export_benchmark:
    """Verification pairs as InsightFace's .bin."""
    input:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
    output:
        bin=at("exported benchmark"),
    log:
        "<results>/logs/export_benchmark/{benchmark}.log",
    conda:
        "../envs/faces.yaml"
    params:
        settings={},
        code=code("export_benchmark"),
    script:
        "../workflow_scripts/export_benchmark.py"

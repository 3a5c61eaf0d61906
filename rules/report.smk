"""
Figures, each with the CSV of what it draws, and exports.

REQUIRED INPUTS: the artifacts of the other stages
OUTPUTS: <results>/figures/…, <results>/export/{faceset}/{form}, <results>/export/benchmarks/{benchmark}.bin
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

"""
The audit of every compared face set: attributes, leakage, diversity.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5 and its embeddings by the study's embedder
OUTPUTS: <results>/audit/{attributes,divergence,leakage,diversity}/{faceset}.h5 or .csv
"""


rule annotate_attributes:
    """The attribute classifier on embeddings, and its annotation of a face set (Neto et al., FG 2024; Terhörst et al., TIFS 2021)."""
    input:
        labelled=lambda wildcards: PLAN.faces(STUDY.attributes.labelled),
        labelled_embeddings=lambda wildcards: PLAN.embeddings(STUDY.embedder, STUDY.attributes.labelled),
        faces="<results>/facesets/{faceset}.h5",
        embeddings=f"<results>/embeddings/{STUDY.embedder}/{{faceset}}.h5",
    output:
        attributes="<results>/audit/attributes/{faceset}.h5",
    log:
        "<results>/logs/annotate_attributes/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        settings=STUDY.attributes.model_dump(mode="json") if STUDY.attributes else {},
        code=code("annotate_attributes.py"),
    script:
        "../workflow_scripts/annotate_attributes.py"


rule compare_attributes:
    """Attribute distributions of a synthetic set against the real one, divergence in both directions."""
    input:
        real=f"<results>/audit/attributes/{STUDY.real}.h5",
        synthetic="<results>/audit/attributes/{faceset}.h5",
    output:
        table="<results>/audit/divergence/{faceset}.csv",
    log:
        "<results>/logs/compare_attributes/{faceset}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("compare_attributes.py"),
    script:
        "../workflow_scripts/compare_attributes.py"


rule audit_leakage:
    """The nearest image of the generator's training set to every synthetic image."""
    input:
        unpack(leakage_inputs),
        faces="<results>/facesets/{faceset}.h5",
        embeddings=f"<results>/embeddings/{STUDY.embedder}/{{faceset}}.h5",
    output:
        leakage="<results>/audit/leakage/{faceset}.h5",
    log:
        "<results>/logs/audit_leakage/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: 8
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        settings=STUDY.leakage.model_dump(mode="json"),
        code=code("audit_leakage.py"),
    script:
        "../workflow_scripts/audit_leakage.py"


rule measure_diversity:
    """Consistency, uniqueness and separability of a face set's identities (DCFace, CVPR 2023)."""
    input:
        faces="<results>/facesets/{faceset}.h5",
        embeddings=f"<results>/embeddings/{STUDY.embedder}/{{faceset}}.h5",
    output:
        diversity="<results>/audit/diversity/{faceset}.h5",
    log:
        "<results>/logs/measure_diversity/{faceset}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        settings={},
        code=code("measure_diversity.py"),
    script:
        "../workflow_scripts/measure_diversity.py"

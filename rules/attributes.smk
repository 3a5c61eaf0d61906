"""
The attribute study: classifiers, annotation of any set, comparison of all that the study examines.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5 with labels, embeddings by the classifier's embedder
OUTPUTS: <results>/attribute_classifiers/{classifier}/model.safetensors and README.md, <results>/attributes/{classifier}/{faceset}.h5
         and .csv, <results>/attributes/{classifier}/benchmarks/{benchmark}.h5, <results>/audit/attributes/{table}.csv
"""


rule train_attribute_classifier:
    """The attribute classifier on embeddings, from labelled face sets (Terhörst et al., MAAD-Face, IEEE TIFS 2021)."""
    input:
        unpack(classifier_inputs),
    output:
        classifier=at("attribute classifier"),
        card=at("attribute classifier card"),
    log:
        "<results>/logs/train_attribute_classifier/{classifier}.log",
    wildcard_constraints:
        classifier=made_by("train_attribute_classifier"),
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        settings=settings("classifier"),
        code=code("train_attribute_classifier"),
    script:
        "../workflow_scripts/train_attribute_classifier.py"


rule import_attribute_classifier:
    """A classifier that another study trained, checked, with its card."""
    input:
        data=data_of("attribute_classifiers", "classifier"),
        model=lambda wildcards: PLAN.embedder_model(entry("classifier", wildcards.classifier).embedder),
    output:
        classifier=at("attribute classifier"),
        card=at("attribute classifier card"),
    log:
        "<results>/logs/import_attribute_classifier/{classifier}.log",
    wildcard_constraints:
        classifier=made_by("import_attribute_classifier"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("classifier"),
        code=code("import_attribute_classifier"),
    script:
        "../workflow_scripts/import_attribute_classifier.py"


rule annotate_attributes:
    """Attributes of every image of a face set by a classifier, undefined where it is not sure."""
    input:
        classifier=at("attribute classifier"),
        faces=at("faces"),
        embeddings=lambda wildcards: PLAN.path(
            "embeddings", embedder=entry("classifier", wildcards.classifier).embedder, faceset=wildcards.faceset
        ),
    output:
        attributes=at("attributes"),
    log:
        "<results>/logs/annotate_attributes/{classifier}/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        settings=annotation(PLAN),
        code=code("annotate_attributes"),
    script:
        "../workflow_scripts/annotate_attributes.py"


use rule annotate_attributes as annotate_benchmark with:
    input:
        classifier=at("attribute classifier"),
        faces=at("benchmark faces"),
        embeddings=lambda wildcards: PLAN.path(
            "benchmark embeddings",
            embedder=entry("classifier", wildcards.classifier).embedder,
            benchmark=wildcards.benchmark,
        ),
    output:
        attributes=at("benchmark attributes"),
    log:
        "<results>/logs/annotate_benchmark/{classifier}/{benchmark}.log",


rule export_attributes:
    """The annotation as CSV in MAAD-Face's layout: Filename, Identity, 1 present, -1 absent, 0 undefined."""
    input:
        attributes=at("attributes"),
        faces=at("faces"),
    output:
        csv=at("attributes csv"),
    log:
        "<results>/logs/export_attributes/{classifier}/{faceset}.log",
    conda:
        "../envs/faces.yaml"
    params:
        settings={},
        code=code("export_attributes"),
    script:
        "../workflow_scripts/export_attributes.py"


rule compare_attributes:
    """Attribute distributions of every two sets, with intervals, null floors and controls (Neto et al., FG 2024)."""
    input:
        attributes=annotations(PLAN),
    output:
        **{table: at("compared attributes", table=table) for table in ("sets", "pairs", "together", "along")},
    log:
        "<results>/logs/compare_attributes.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        settings=attribute_comparison(PLAN),
        code=code("compare_attributes"),
    script:
        "../workflow_scripts/compare_attributes.py"

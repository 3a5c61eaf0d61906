"""
The audit of every examined face set: leakage, duplicates, diversity, fidelity.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5 and its embeddings by the study's embedder
OUTPUTS: <results>/audit/{duplicates,diversity,fidelity}/{faceset}.h5, <results>/audit/leakage/{faceset}/{reference}.h5,
         <results>/audit/pages/{faceset}.html and .json
"""


rule audit_leakage:
    """The nearest image of a reference, such as the generator's training set, to every image of a set, beside a null."""
    input:
        unpack(leakage_inputs),
    output:
        leakage=at("leakage"),
    log:
        "<results>/logs/audit_leakage/{faceset}/{reference}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(120),
    params:
        settings=lambda wildcards: {
            "false_match_rate": STUDY.leakage.false_match_rate,
            "role": leakage_references(PLAN, wildcards.faceset).get(wildcards.reference, wildcards.reference),
        },
        code=code("audit_leakage"),
    script:
        "../workflow_scripts/audit_leakage.py"


rule find_duplicates:
    """Near-duplicates inside a set: people under two names, photographs that are there twice."""
    input:
        unpack(duplicates_inputs),
    output:
        duplicates=at("duplicates"),
    log:
        "<results>/logs/find_duplicates/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(120),
    params:
        settings={"false_match_rate": STUDY.leakage.false_match_rate},
        code=code("find_duplicates"),
    script:
        "../workflow_scripts/find_duplicates.py"


rule measure_diversity:
    """Consistency, uniqueness, separability (DCFace, CVPR 2023) and Vendi score of a face set's identities."""
    input:
        faces=at("faces"),
        embeddings=at("embeddings", embedder=STUDY.embedder),
    output:
        diversity=at("diversity"),
    log:
        "<results>/logs/measure_diversity/{faceset}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(16000),
        runtime=minutes(60),
    params:
        settings={},
        code=code("measure_diversity"),
    script:
        "../workflow_scripts/measure_diversity.py"


rule measure_fidelity:
    """Fréchet distance, precision, recall, density and coverage against the real set, each with its null."""
    input:
        **inception_weights(PLAN),
        real=at("faces", faceset=STUDY.real),
        real_embeddings=at("embeddings", embedder=PLAN.fidelity_embedder(), faceset=STUDY.real),
        faces=at("faces"),
        embeddings=at("embeddings", embedder=PLAN.fidelity_embedder()),
    output:
        fidelity=at("fidelity"),
    log:
        "<results>/logs/measure_fidelity/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(len(inception_weights(PLAN))),
        mem_mb=memory(16000),
        runtime=minutes(120),
    params:
        settings=STUDY.fidelity.model_dump(mode="json"),
        code=code("measure_fidelity"),
    script:
        "../workflow_scripts/measure_fidelity.py"


rule describe_face_set:
    """What is this set? One page of all that the audits found of it, to stand beside a dataset card, and JSON."""
    input:
        unpack(page_inputs),
    output:
        page=report(
            at("page", form="html"),
            caption="../report/page.rst",
            category="Audit",
            labels={"face set": "{faceset}", "figure": "page"},
        ),
        json=at("page", form="json"),
    log:
        "<results>/logs/describe_face_set/{faceset}.log",
    conda:
        "../envs/report.yaml"
    params:
        settings={},
        code=code("describe_face_set"),
    script:
        "../workflow_scripts/describe_face_set.py"

"""
Synthetic face sets.

REQUIRED INPUTS: <results>/generators/{generator}/model.safetensors; but for unconditional faces, the inquiries' face set
and embeddings
OUTPUTS: <results>/inquiries/{faceset}.h5, <results>/facesets/{faceset}.h5, <results>/mixup_paths/{faceset}.h5
"""


rule select_inquiries:
    """One image per new identity, no two more similar than the threshold (CemiFace, Sec. 4.1)."""
    input:
        unpack(inquiry_inputs),
    output:
        inquiries=at("inquiries"),
    log:
        "<results>/logs/select_inquiries/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("select_inquiries"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        settings=lambda wildcards: PLAN.inquiry_settings(wildcards.faceset),
        code=code("select_inquiries"),
    script:
        "../workflow_scripts/select_inquiries.py"


rule synthesize:
    """One shard of a face set drawn from a generator; its bytes do not depend on how many there are."""
    input:
        unpack(synthesis_inputs),
    output:
        faces=at("shard"),
    log:
        "<results>/logs/synthesize/{faceset}/shard{shard}of{shards}.log",
    wildcard_constraints:
        faceset=made_by("synthesize"),
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(longest_shard),
    params:
        settings=settings("faceset", *NOT_DRAWN_BY),
        code=code("synthesize", "faceset"),
    script:
        "../workflow_scripts/synthesize.py"


rule gather_shards:
    """The shards of a face set, in order, as one, and the inquiry images that its classes get."""
    input:
        unpack(gathering_inputs),
    output:
        faces=at("faces"),
    log:
        "<results>/logs/gather_shards/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("gather_shards"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("faceset", "shards"),
        code=code("gather_shards"),
    script:
        "../workflow_scripts/gather_shards.py"


rule synthesize_mixup_path:
    """Faces drawn along φ from one inquiry to another, from one noise (SynFace, ICCV 2021)."""
    input:
        generator=lambda wildcards: PLAN.path("generator", generator=entry("faceset", wildcards.faceset).generator),
        inquiries=at("inquiries"),
        model=study_embedder_model,
    output:
        path=at("mixup path"),
    log:
        "<results>/logs/synthesize_mixup_path/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("synthesize"),
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(60),
    params:
        settings=settings("faceset", *NOT_DRAWN_BY, "shards"),
        code=code("synthesize_mixup_path", "faceset"),
    script:
        "../workflow_scripts/synthesize_mixup_path.py"

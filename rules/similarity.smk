"""
Embeddings, identity centers and similarity bins.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5, an embedder's model
OUTPUTS: <results>/embedders/{embedder}/model.safetensors, <results>/embeddings/{embedder}/{faceset}.h5,
         <results>/centers/{embedder}/{faceset}/{center}.h5, <results>/bins/{embedder}/{faceset}/{center}/{binning}.h5
"""


rule import_embedder:
    """Foreign weights become a model file of this workflow, which owns its size, colour order, crop and scale."""
    input:
        data=data_of("embedders", "embedder"),
    output:
        model=at("embedder"),
    log:
        "<results>/logs/import_embedder/{embedder}.log",
    wildcard_constraints:
        embedder=made_by("import_embedder"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("embedder"),
        code=code("import_embedder", "embedder"),
    script:
        "../workflow_scripts/import_embedder.py"


rule embed_faces:
    """Raw features of every image plus its mirror image."""
    input:
        faces=at("faces"),
        model=embedder_model,
    output:
        embeddings=at("embeddings"),
    log:
        "<results>/logs/embed_faces/{embedder}/{faceset}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(8)
    resources:
        gpu=gpus(1),
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        settings={},
        code=code("embed_faces"),
    script:
        "../workflow_scripts/embed_faces.py"


use rule embed_faces as embed_benchmark with:
    input:
        faces=at("benchmark faces"),
        model=embedder_model,
    output:
        embeddings=at("benchmark embeddings"),
    log:
        "<results>/logs/embed_benchmark/{embedder}/{benchmark}.log",


rule find_identity_centers:
    """Identity centers and the cosine of every image to its own (CemiFace, Sec. 3.1)."""
    input:
        unpack(center_inputs),
    output:
        centers=at("centers"),
    log:
        "<results>/logs/find_identity_centers/{embedder}/{faceset}/{center}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    params:
        settings={},
        code=code("find_identity_centers"),
    script:
        "../workflow_scripts/find_identity_centers.py"


rule bin_similarity:
    """Images grouped by similarity to their identity center (CemiFace, Sec. 3.1 and Table 9)."""
    input:
        faces=at("faces"),
        centers=at("centers"),
    output:
        bins=at("bins"),
    log:
        "<results>/logs/bin_similarity/{embedder}/{faceset}/{center}/{binning}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings={},
        code=code("bin_similarity"),
    script:
        "../workflow_scripts/bin_similarity.py"

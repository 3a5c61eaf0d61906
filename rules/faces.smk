"""
Face sets and benchmarks.

REQUIRED INPUTS: the user's files named in the configuration (RecordIO, folders, .bin, pairs.txt, IJB), or nothing for rendered faces.
OUTPUTS: <results>/facesets/{faceset}.h5, <results>/mixup_paths/{faceset}.h5,
         <results>/benchmarks/{benchmark}/faces.h5 and pairs.h5
"""


rule import_faces:
    """A labelled or unlabelled set of photographs becomes a face set; encoded images keep their bytes."""
    input:
        data=data_of("facesets", "faceset"),
    output:
        faces=at("faces"),
    log:
        "<results>/logs/import_faces/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("import_faces"),
    conda:
        "../envs/faces.yaml"
    threads: cpu_threads(4)
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
    params:
        settings=settings("faceset"),
        code=code("import_faces", "faceset"),
        files=listing("facesets", "faceset"),
    script:
        "../workflow_scripts/import_faces.py"


rule render_faces:
    """Faces of the procedural morphable model."""
    output:
        faces=at("faces"),
    log:
        "<results>/logs/render_faces/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("render_faces"),
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
    params:
        settings=settings("faceset"),
        code=code("render_faces"),
    script:
        "../workflow_scripts/render_faces.py"


rule render_mixup_path:
    """Rendered faces along φ from one identity to another, all else being the same (SynFace, ICCV 2021)."""
    input:
        model=study_embedder_model,
    output:
        path=at("mixup path"),
    log:
        "<results>/logs/render_mixup_path/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("render_faces"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        settings=settings("faceset"),
        code=code("render_mixup_path"),
    script:
        "../workflow_scripts/render_mixup_path.py"


rule subset_faces:
    """Some identities and images of another face set."""
    input:
        unpack(subset_inputs),
    output:
        faces=at("faces"),
    log:
        "<results>/logs/subset_faces/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("subset_faces"),
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("faceset"),
        code=code("subset_faces"),
    script:
        "../workflow_scripts/subset_faces.py"


rule unite_faces:
    """Several face sets become one."""
    input:
        faces=lambda wildcards: [PLAN.path("faces", faceset=name) for name in entry("faceset", wildcards.faceset).sets],
    output:
        faces=at("faces"),
    log:
        "<results>/logs/unite_faces/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("unite_faces"),
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        settings=settings("faceset"),
        code=code("unite_faces"),
    script:
        "../workflow_scripts/unite_faces.py"


rule extract_bin:
    """The faces of one similarity bin become a face set of their own."""
    input:
        unpack(bin_inputs),
    output:
        faces=at("faces"),
    log:
        "<results>/logs/extract_bin/{faceset}.log",
    wildcard_constraints:
        faceset=made_by("extract_bin"),
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("faceset"),
        code=code("extract_bin"),
    script:
        "../workflow_scripts/extract_bin.py"


rule import_benchmark:
    """Verification pairs of a .bin file, of pairs.txt and a folder, or of IJB's templates."""
    input:
        data=data_of("benchmarks", "benchmark"),
    output:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
    log:
        "<results>/logs/import_benchmark/{benchmark}.log",
    wildcard_constraints:
        benchmark=made_by("import_benchmark"),
    conda:
        "../envs/faces.yaml"
    threads: cpu_threads(4)
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("benchmark", "group"),
        code=code("import_benchmark", "benchmark"),
        files=listing("benchmarks", "benchmark"),
    script:
        "../workflow_scripts/import_benchmark.py"


rule render_benchmark:
    """Verification pairs of rendered identities that no training set has."""
    output:
        faces=at("benchmark faces"),
        pairs=at("pairs"),
    log:
        "<results>/logs/render_benchmark/{benchmark}.log",
    wildcard_constraints:
        benchmark=made_by("render_benchmark"),
    conda:
        "../envs/faces.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        settings=settings("benchmark"),
        code=code("render_benchmark"),
    script:
        "../workflow_scripts/render_benchmark.py"

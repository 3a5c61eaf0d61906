"""
Diffusion generators: CemiFace's, DCFace's, and a plain DDPM.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5 and, but for a DDPM, an embedder's model
OUTPUTS: <results>/generators/{generator}/model.safetensors, history.h5, epochs/, calibration.h5 and learning.h5,
         <results>/pipelines/{generator}
"""


rule train_generator:
    """A diffusers U-Net under its method's objective, on as many GPUs as the entry has processes."""
    input:
        unpack(generator_inputs),
    output:
        model=at("generator"),
        history=at("generator history"),
        epochs=directory(at("generator epochs")),
    log:
        "<results>/logs/train_generator/{generator}.log",
    wildcard_constraints:
        generator=made_by("train_generator"),
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16, "generator")
    resources:
        gpu=gpus("generator"),
        nodes=nodes("generator"),
        gres=gpus_of_nodes("generator"),
        mem_mb=memory_to_train("generator", set_of_generator),
        runtime=minutes_to_train("generator", set_of_generator),
    params:
        settings=settings("generator"),
        code=code("train_generator", "generator"),
    script:
        "../workflow_scripts/train_generator.py"


rule import_generator:
    """A generator that comes as a file, after its checks."""
    input:
        unpack(imported_generator_inputs),
        files=data_of("generators", "generator"),
    output:
        model=at("generator"),
    log:
        "<results>/logs/import_generator/{generator}.log",
    wildcard_constraints:
        generator=made_by("import_generator"),
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    params:
        settings=settings("generator"),
        code=code("import_generator", "generator"),
    script:
        "../workflow_scripts/import_generator.py"


rule calibrate_similarity:
    """Requested m against the similarity achieved, and the ladder of images that shows it."""
    input:
        unpack(calibration_inputs),
        generator=at("generator"),
    output:
        calibration=at("calibration"),
    log:
        "<results>/logs/calibrate_similarity/{generator}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(60),
    params:
        settings=settings("generator"),
        code=code("calibrate_similarity", "generator"),
    script:
        "../workflow_scripts/calibrate_similarity.py"


rule measure_learning:
    """Fidelity of what every kept epoch draws, over the images the generator has seen by then."""
    input:
        unpack(learning_inputs),
        epochs=at("generator epochs"),
    output:
        learning=at("learning"),
    log:
        "<results>/logs/measure_learning/{generator}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16)
    resources:
        gpu=gpus(1),
        mem_mb=memory(16000),
        runtime=minutes(240),
    params:
        settings=lambda wildcards: {
            "fidelity": STUDY.fidelity.model_dump(mode="json"),
            "generator": PLAN.settings_of("generators", wildcards.generator),
        },
        code=code("measure_learning", "generator"),
    script:
        "../workflow_scripts/measure_learning.py"


rule export_pipeline:
    """A generator as a diffusers pipeline, with its model card."""
    input:
        unpack(lambda wildcards: pipeline_inputs(PLAN, wildcards.generator)),
    output:
        folder=directory(at("pipeline")),
    log:
        "<results>/logs/export_pipeline/{generator}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    params:
        settings=licence,
        code=code("export_pipeline"),
    script:
        "../workflow_scripts/export_pipeline.py"

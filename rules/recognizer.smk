"""
Recognizers.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5, and the real face set where domain mixup is asked for
OUTPUTS: <results>/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors, history.h5 and epochs/,
         <results>/models/{recognizer}/{faceset}/seed{seed}/
"""


rule train_recognizer:
    """A recognizer trained from scratch on one face set; the last epoch is the result."""
    input:
        unpack(training_inputs),
    output:
        model=at("recognizer"),
        history=at("recognizer history"),
        epochs=directory(at("recognizer epochs")),
    log:
        "<results>/logs/train_recognizer/{recognizer}/{faceset}/seed{seed}.log",
    conda:
        "../envs/training.yaml"
    threads: gpu_threads(16, "recognizer")
    resources:
        gpu=gpus("recognizer"),
        nodes=nodes("recognizer"),
        gres=gpus_of_nodes("recognizer"),
        mem_mb=memory_to_train("recognizer", own_set),
        runtime=minutes_to_train("recognizer", own_set),
    params:
        settings=settings("recognizer"),
        code=code("train_recognizer", "recognizer"),
    script:
        "../workflow_scripts/train_recognizer.py"


rule export_recognizer:
    """A recognizer as ONNX and as safetensors, with its model card."""
    input:
        unpack(lambda wildcards: model_inputs(PLAN, wildcards.recognizer, wildcards.faceset, int(wildcards.seed))),
    output:
        folder=directory(at("exported recognizer")),
    log:
        "<results>/logs/export_recognizer/{recognizer}/{faceset}/seed{seed}.log",
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(30),
    params:
        settings=about_model,
        code=code("export_recognizer"),
    script:
        "../workflow_scripts/export_recognizer.py"

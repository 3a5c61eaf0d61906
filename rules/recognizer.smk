"""
Recognizers.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5, and the real face set where domain mixup is asked for
OUTPUTS: <results>/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors, history.h5 and epochs/
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
        gpu=lambda wildcards: entry("recognizer", wildcards.recognizer).processes,
        mem_mb=32000,
        runtime=2880,
    params:
        settings=settings("recognizer"),
        code=code("train_recognizer", "recognizer"),
    script:
        "../workflow_scripts/train_recognizer.py"

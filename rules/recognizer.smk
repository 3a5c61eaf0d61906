"""
Recognizers.

REQUIRED INPUTS: <results>/facesets/{faceset}.h5, and the real face set where domain mixup is asked for
OUTPUTS: <results>/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors and history.h5
"""


rule train_recognizer:
    """A recognizer trained from scratch on one face set; the last epoch is the result."""
    input:
        unpack(training_inputs),
    output:
        model="<results>/recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors",
        history="<results>/recognizers/{recognizer}/{faceset}/seed{seed}/history.h5",
    log:
        "<results>/logs/train_recognizer/{recognizer}/{faceset}/seed{seed}.log",
    conda:
        "../envs/training.yaml"
    threads: 16
    resources:
        gpu=1,
        mem_mb=32000,
        runtime=2880,
    params:
        settings=settings("recognizer"),
        code=code("train_recognizer.py"),
    script:
        "../workflow_scripts/train_recognizer.py"

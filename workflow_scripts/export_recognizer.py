"""Recognizer and its verification → ONNX, safetensors and a model card."""

from semihard.recognizer.export_recognizer import export_recognizer
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, snakemake.params.settings
    export_recognizer(
        settings["name"],
        settings["licence"],
        inputs.model,
        snakemake.output.folder,
        inputs.faces,
        dict(zip(settings["benchmarks"], inputs.get("verified", []), strict=True)),
        provenance,
    )

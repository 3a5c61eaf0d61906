"""Generator, embedder and calibration → a diffusers pipeline with its model card."""

from semihard.generator.export_pipeline import export_pipeline
from semihard.workflow.job import job

with job(snakemake):
    inputs = snakemake.input
    export_pipeline(
        snakemake.params.settings["licence"],
        inputs.generator,
        snakemake.output.folder,
        inputs.get("embedder"),
        inputs.get("calibration"),
        inputs.get("faces"),
    )

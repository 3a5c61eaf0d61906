"""Model and benchmark → accuracy per fold, and the distance of every pair."""

from semihard.verification.model import verify_faces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, snakemake.params.settings
    verify_faces(
        inputs.faces,
        inputs.pairs,
        inputs.model,
        snakemake.output.verification,
        provenance,
        thresholds=settings["thresholds"],
    )

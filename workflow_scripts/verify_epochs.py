"""The epochs that a training kept, and a benchmark → accuracy per epoch and fold."""

from semihard.verification.model import verify_epochs
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, thresholds = snakemake.input, snakemake.params.settings["thresholds"]
    verify_epochs(inputs.faces, inputs.pairs, inputs.epochs, snakemake.output.epochs, thresholds, provenance)

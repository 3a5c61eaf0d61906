"""The epochs that a training kept, and a benchmark → accuracy per epoch and fold."""

from semihard.job import job
from semihard.similarity.verifying import verify_epochs

with job(snakemake) as provenance:
    inputs, thresholds = snakemake.input, snakemake.params.settings["thresholds"]
    verify_epochs(inputs.faces, inputs.pairs, inputs.epochs, snakemake.output.epochs, thresholds, provenance)

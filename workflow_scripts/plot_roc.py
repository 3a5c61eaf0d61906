"""Verification results → true accept rate over false accept rate."""

from semihard.figures.verification import plot_roc
from semihard.workflow.job import job

with job(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    labelled = dict(zip(settings["labels"], snakemake.input.verifications, strict=True))
    plot_roc(labelled, outputs.picture, outputs.table, settings["real"])

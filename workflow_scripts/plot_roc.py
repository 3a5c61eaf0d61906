"""Verification results → true accept rate over false accept rate."""

from semihard.figures.verification import plot_roc
from semihard.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.verifications, strict=True))
    plot_roc(labelled, snakemake.output.picture, snakemake.output.table)

"""Leakage → similarity to the nearest training face."""

from semihard.figures.audits import plot_leakage
from semihard.workflow.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.leakages, strict=True))
    plot_leakage(labelled, snakemake.output.picture, snakemake.output.table)

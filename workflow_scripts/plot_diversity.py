"""Diversity → genuine and impostor similarities."""

from semihard.figures.audits import plot_diversity
from semihard.workflow.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.diversities, strict=True))
    plot_diversity(labelled, snakemake.output.picture, snakemake.output.table)

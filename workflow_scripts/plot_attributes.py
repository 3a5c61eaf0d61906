"""Divergences → attributes of real and synthetic sets."""

from semihard.figures.audits import plot_attributes
from semihard.workflow.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.divergences, strict=True))
    plot_attributes(labelled, snakemake.output.picture, snakemake.output.table)

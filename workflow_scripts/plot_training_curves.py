"""Histories → losses, accuracy and learning rate over steps."""

from semihard.figures.training import plot_training_curves
from semihard.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.histories, strict=True))
    plot_training_curves(labelled, snakemake.output.picture, snakemake.output.table)

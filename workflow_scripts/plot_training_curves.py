"""Histories → losses, accuracy and learning rate over steps."""

from semihard.figures.training import plot_training_curves
from semihard.workflow.job import job

with job(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    labelled = dict(zip(settings["labels"], snakemake.input.histories, strict=True))
    plot_training_curves(labelled, outputs.picture, outputs.table, settings["real"])

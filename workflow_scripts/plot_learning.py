"""Fidelity of kept epochs → curves over images seen."""

from semihard.figures.training import plot_learning
from semihard.workflow.job import job

with job(snakemake):
    plot_learning(snakemake.input.learning, snakemake.output.picture, snakemake.output.table)

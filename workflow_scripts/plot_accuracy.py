"""Study table → accuracies, intervals and gap to real."""

from semihard.figures.verification import plot_accuracy_table
from semihard.workflow.job import job

with job(snakemake):
    plot_accuracy_table(snakemake.input.scores, snakemake.output.picture, snakemake.output.table)

"""Calibration → the ladder of images over requested m."""

from semihard.figures.sheets import plot_similarity_ladder
from semihard.workflow.job import job

with job(snakemake):
    plot_similarity_ladder(snakemake.input.calibration, snakemake.output.picture, snakemake.output.table)

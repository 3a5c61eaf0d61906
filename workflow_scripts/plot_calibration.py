"""Calibration → requested m against achieved similarity."""

from semihard.figures.similarity import plot_calibration
from semihard.workflow.job import job

with job(snakemake):
    plot_calibration(snakemake.input.calibration, snakemake.output.picture, snakemake.output.table)

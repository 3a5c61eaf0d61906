"""Similarity bins → their histograms."""

from semihard.figures.similarity import plot_bins
from semihard.workflow.job import job

with job(snakemake):
    plot_bins(snakemake.input.bins, snakemake.input.centers, snakemake.output.picture, snakemake.output.table)

"""Face set → some of its identities, one row each."""

from semihard.figures.sheets import plot_sample_sheet
from semihard.workflow.job import job

with job(snakemake):
    plot_sample_sheet(snakemake.input.faces, snakemake.output.picture, snakemake.output.table)

"""Attributes of two face sets → their divergence, both ways."""

from semihard.audit.divergence import compare_attributes
from semihard.workflow.job import job

with job(snakemake):
    compare_attributes(snakemake.input.real, snakemake.input.synthetic, snakemake.output.table)

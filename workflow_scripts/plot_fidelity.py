"""Fidelity of face sets → dots beside their null."""

from semihard.figures.audits import plot_fidelity
from semihard.workflow.job import job

with job(snakemake):
    labelled = dict(zip(snakemake.params.settings["labels"], snakemake.input.fidelities, strict=True))
    plot_fidelity(labelled, snakemake.output.picture, snakemake.output.table)

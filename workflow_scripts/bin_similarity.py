"""Similarities to the center → similarity bins."""

from semihard.similarity.bins import bin_similarity
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    bin_similarity(inputs.centers, inputs.faces, snakemake.wildcards.binning, snakemake.output.bins, provenance)

"""Similarities to the center → similarity bins."""

from semihard.job import job
from semihard.similarity.bins import bin_similarity

with job(snakemake) as provenance:
    inputs = snakemake.input
    bin_similarity(inputs.centers, inputs.faces, snakemake.wildcards.binning, snakemake.output.bins, provenance)

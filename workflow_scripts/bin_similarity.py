"""Similarities to the center → similarity bins."""

from semihard.similarity.bins import bin_similarity
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, output = snakemake.input, snakemake.output.bins
    with or_unmeasured(output, schemas.BINS, provenance):
        bin_similarity(inputs.centers, inputs.faces, snakemake.wildcards.binning, output, provenance)

"""Face set and its similarity bins → the face set of one bin."""

from semihard.similarity.bins import extract_bin
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    extract_bin(
        inputs.faces, inputs.bins, inputs.centers, snakemake.params.settings["bin"], snakemake.output.faces, provenance
    )

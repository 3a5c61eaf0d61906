"""Face set and its similarity bins → the face set of one bin."""

from semihard.job import job
from semihard.similarity.bins import extract_bin

with job(snakemake) as provenance:
    inputs = snakemake.input
    extract_bin(
        inputs.faces, inputs.bins, inputs.centers, snakemake.params.settings["bin"], snakemake.output.faces, provenance
    )

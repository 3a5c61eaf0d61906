"""Embeddings → identity centers and the similarity of each image to its own."""

from semihard.job import job
from semihard.similarity.centers import find_identity_centers

with job(snakemake) as provenance:
    inputs = snakemake.input
    center, model = snakemake.wildcards.center, inputs.get("model")
    find_identity_centers(inputs.faces, inputs.embeddings, center, model, snakemake.output.centers, provenance)

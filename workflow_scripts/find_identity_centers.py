"""Embeddings → identity centers and the similarity of each image to its own."""

from semihard.similarity.centers import find_identity_centers
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    center, model = snakemake.wildcards.center, inputs.get("model")
    find_identity_centers(inputs.faces, inputs.embeddings, center, model, snakemake.output.centers, provenance)

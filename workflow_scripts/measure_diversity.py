"""Embeddings → consistency, uniqueness and separability of identities."""

from semihard.audit.diversity import measure_diversity
from semihard.workflow.job import job

with job(snakemake) as provenance:
    measure_diversity(snakemake.input.faces, snakemake.input.embeddings, snakemake.output.diversity, provenance)

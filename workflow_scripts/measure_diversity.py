"""Embeddings → consistency, uniqueness and separability of identities."""

from semihard.audit.diversity import measure_diversity
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, output = snakemake.input, snakemake.output.diversity
    with or_unmeasured(output, schemas.DIVERSITY, provenance):
        measure_diversity(inputs.faces, inputs.embeddings, output, provenance)

"""Embeddings of a face set → people under two names, and photographs that are there twice."""

from semihard.audit.duplicates import find_duplicates
from semihard.audit.settings import LeakageAudit
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, output = snakemake.input, snakemake.output.duplicates
    settings = LeakageAudit(**snakemake.params.settings)
    unrelated = (inputs.unrelated, inputs.unrelated_embeddings) if inputs.get("unrelated") else None
    with or_unmeasured(output, schemas.DUPLICATES, provenance):
        find_duplicates(settings, inputs.faces, inputs.faces_embeddings, output, provenance, unrelated)

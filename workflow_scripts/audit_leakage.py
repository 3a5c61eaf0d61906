"""Embeddings of a synthetic set and of what its generator saw → nearest neighbours."""

from semihard.audit.leakage import audit_leakage
from semihard.audit.settings import LeakageAudit
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, output = snakemake.input, snakemake.output.leakage
    settings = LeakageAudit(**snakemake.params.settings)
    gallery = (inputs.gallery, inputs.gallery_embeddings)
    with or_unmeasured(output, schemas.LEAKAGE, provenance):
        audit_leakage(settings, inputs.faces, inputs.embeddings, *gallery, output, provenance)

"""Embeddings of a synthetic set and of what its generator saw → nearest neighbours."""

from semihard.audit.leakage import audit_leakage
from semihard.audit.settings import LeakageAudit
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    settings = LeakageAudit(**snakemake.params.settings)
    audit_leakage(
        settings,
        inputs.faces,
        inputs.embeddings,
        inputs.gallery,
        inputs.gallery_embeddings,
        snakemake.output.leakage,
        provenance,
    )

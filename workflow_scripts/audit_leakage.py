"""Embeddings of a face set and of a reference → nearest neighbours, beside those of unrelated people."""

from semihard.audit.leakage import audit_leakage
from semihard.audit.settings import LeakageAudit
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, output, given = snakemake.input, snakemake.output.leakage, dict(snakemake.params.settings)
    role, settings = given.pop("role"), LeakageAudit(**given)
    reference = (inputs.reference, inputs.reference_embeddings)
    unrelated = (inputs.unrelated, inputs.unrelated_embeddings) if inputs.get("unrelated") else None
    with or_unmeasured(output, schemas.LEAKAGE, provenance):
        audit_leakage(settings, inputs.faces, inputs.faces_embeddings, *reference, output, provenance, role, unrelated)

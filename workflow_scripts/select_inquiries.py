"""Face set and embeddings → one inquiry per new identity."""

from semihard.generator.inquiries import select_inquiries
from semihard.generator.settings import SyntheticFaces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    select_inquiries(
        SyntheticFaces(**snakemake.params.settings),
        snakemake.input.faces,
        snakemake.input.embeddings,
        snakemake.output.inquiries,
        provenance,
        snakemake.input.get("centers"),
        snakemake.input.get("told_apart_by"),
        snakemake.input.get("known"),
    )

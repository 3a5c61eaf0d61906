"""Face set and embeddings → one inquiry per new identity."""

from semihard.generator.inquiries import select_inquiries
from semihard.job import job
from semihard.settings import SyntheticFaces

with job(snakemake) as provenance:
    settings = SyntheticFaces(**snakemake.params.settings)
    select_inquiries(
        settings, snakemake.input.faces, snakemake.input.embeddings, snakemake.output.inquiries, provenance
    )

"""Face set → some of its identities and images."""

from semihard.sources.settings import SubsetFaces
from semihard.sources.subset import subset_faces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    settings = SubsetFaces(**snakemake.params.settings)
    subset_faces(settings, snakemake.input.faces, snakemake.output.faces, provenance, snakemake.input.exclude)

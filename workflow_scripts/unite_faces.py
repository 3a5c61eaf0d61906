"""Face sets → one face set."""

from semihard.sources.union import unite_faces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    unite_faces(snakemake.input.faces, snakemake.output.faces, provenance)

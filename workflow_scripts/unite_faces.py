"""Face sets → one face set."""

from semihard.job import job
from semihard.sources.union import unite_faces

with job(snakemake) as provenance:
    unite_faces(snakemake.input.faces, snakemake.output.faces, provenance)

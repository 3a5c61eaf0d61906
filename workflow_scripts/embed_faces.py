"""Face set → embeddings."""

from semihard.similarity.embedding import embed_faces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    embed_faces(snakemake.input.faces, snakemake.input.model, snakemake.output.embeddings, provenance)

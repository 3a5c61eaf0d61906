"""Face set → embeddings."""

from semihard.job import job
from semihard.similarity.embedding import embed_faces

with job(snakemake) as provenance:
    embed_faces(snakemake.input.faces, snakemake.input.model, snakemake.output.embeddings, provenance)

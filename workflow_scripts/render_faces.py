"""Procedural morphable model → face set."""

from semihard.job import job
from semihard.settings import RenderedFaces
from semihard.sources.rendering import render_faces

with job(snakemake) as provenance:
    render_faces(RenderedFaces(**snakemake.params.settings), snakemake.output.faces, provenance)

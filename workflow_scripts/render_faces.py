"""Procedural morphable model → face set."""

from semihard.sources.rendering import render_faces
from semihard.sources.settings import RenderedFaces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    render_faces(RenderedFaces(**snakemake.params.settings), snakemake.output.faces, provenance)

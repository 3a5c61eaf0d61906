"""Procedural morphable model → faces along φ from one identity to another."""

from semihard.sources.rendered_path import render_mixup_path
from semihard.sources.settings import RenderedFaces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    settings = RenderedFaces(**snakemake.params.settings)
    render_mixup_path(settings, snakemake.input.model, snakemake.output.path, provenance)

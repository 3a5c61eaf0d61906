"""Procedural morphable model → verification pairs."""

from semihard.sources.rendering import render_benchmark
from semihard.sources.settings import RenderedBenchmark
from semihard.workflow.job import job

with job(snakemake) as provenance:
    settings = RenderedBenchmark(**snakemake.params.settings)
    render_benchmark(settings, snakemake.output.faces, snakemake.output.pairs, provenance)

"""Procedural morphable model → verification pairs."""

from semihard.job import job
from semihard.settings import RenderedBenchmark
from semihard.sources.rendering import render_benchmark

with job(snakemake) as provenance:
    settings = RenderedBenchmark(**snakemake.params.settings)
    render_benchmark(settings, snakemake.output.faces, snakemake.output.pairs, provenance)

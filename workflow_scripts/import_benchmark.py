"""Verification pairs → their face set and the list of pairs."""

from pydantic import TypeAdapter

from semihard.sources.importing import import_benchmark
from semihard.workflow.job import job
from semihard.workflow.settings import BenchmarkEntry

with job(snakemake) as provenance:
    settings = TypeAdapter(BenchmarkEntry).validate_python(snakemake.params.settings)
    import_benchmark(settings, snakemake.output.faces, snakemake.output.pairs, provenance)

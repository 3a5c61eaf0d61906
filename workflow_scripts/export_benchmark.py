"""A benchmark's faces and pairs → InsightFace's `.bin`."""

from semihard.sources.export_benchmark import export_benchmark
from semihard.workflow.job import job

with job(snakemake):
    export_benchmark(snakemake.input.faces, snakemake.input.pairs, snakemake.output.bin)

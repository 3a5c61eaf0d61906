"""Shards → synthetic face set."""

from semihard.generator.sampling import gather_shards
from semihard.job import job

with job(snakemake) as provenance:
    gather_shards(snakemake.input.shards, snakemake.output.faces, provenance)

"""Shards (and copies of the inquiry images) → synthetic face set."""

from semihard.generator.gathering import gather_shards
from semihard.generator.settings import SyntheticFaces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, entry = snakemake.input, snakemake.params.settings
    settings = SyntheticFaces(**entry) if entry["source"] == "synthesis" else None
    paths = inputs.get("inquiries"), inputs.get("inquiry_faces")
    gather_shards(inputs.shards, snakemake.output.faces, provenance, settings, *paths, inputs.get("made_of", ()))

"""Generator and inquiries → one shard of a synthetic face set."""

from semihard.generator.sampling import synthesize
from semihard.job import job
from semihard.settings import SyntheticFaces

with job(snakemake) as provenance:
    inputs = snakemake.input
    settings, shard = SyntheticFaces(**snakemake.params.settings), int(snakemake.wildcards.shard)
    synthesize(settings, shard, inputs.generator, inputs.embedder, inputs.inquiries, snakemake.output.faces, provenance)

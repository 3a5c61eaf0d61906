"""Generator and inquiries → requested m against achieved similarity."""

from semihard.generator.calibration import calibrate_similarity
from semihard.job import job
from semihard.settings import Generator

with job(snakemake) as provenance:
    inputs = snakemake.input
    settings = Generator(**snakemake.params.settings)
    calibrate_similarity(
        settings,
        inputs.generator,
        inputs.embedder,
        inputs.faces,
        inputs.embeddings,
        snakemake.output.calibration,
        provenance,
    )

"""Face set and embedder → similarity-controlled diffusion generator."""

from semihard.generator.training import train_generator
from semihard.job import job
from semihard.settings import Generator

with job(snakemake) as provenance:
    inputs, outputs = snakemake.input, snakemake.output
    settings = Generator(**snakemake.params.settings)
    train_generator(settings, inputs.faces, inputs.embedder, outputs.model, outputs.history, provenance)

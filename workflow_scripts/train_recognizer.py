"""Face set → recognizer."""

from semihard.job import job
from semihard.recognizer.training import train_recognizer
from semihard.settings import Recognizer

with job(snakemake) as provenance:
    inputs, outputs = snakemake.input, snakemake.output
    settings, seed = Recognizer(**snakemake.params.settings), int(snakemake.wildcards.seed)
    train_recognizer(settings, inputs.faces, outputs.model, outputs.history, seed, provenance, inputs.get("real"))

"""Face set → recognizer."""

from semihard.recognizer.settings import Recognizer
from semihard.recognizer.training import train_recognizer
from semihard.workflow.job import job

if __name__ == "__main__":  # the processes that share a batch import this file, too
    with job(snakemake) as provenance:
        faces, real, outputs = snakemake.input.faces, snakemake.input.get("real"), snakemake.output
        settings, seed = Recognizer(**snakemake.params.settings), int(snakemake.wildcards.seed)
        train_recognizer(settings, faces, outputs.model, outputs.history, outputs.epochs, seed, provenance, real)

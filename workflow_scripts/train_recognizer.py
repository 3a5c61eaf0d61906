"""Face set → recognizer."""

from semihard.compute.training_run import TrainingFiles
from semihard.recognizer.settings import Recognizer
from semihard.recognizer.training import train_recognizer
from semihard.workflow.job import job, tracker_of

if __name__ == "__main__":  # the processes that share a batch import this file, too
    with job(snakemake) as provenance:
        inputs, outputs = snakemake.input, snakemake.output
        files = TrainingFiles(outputs.model, outputs.history, outputs.epochs, tracker_of(snakemake))
        settings, seed = Recognizer(**snakemake.params.settings), int(snakemake.wildcards.seed)
        train_recognizer(settings, inputs.faces, files, seed, provenance, inputs.get("real"))

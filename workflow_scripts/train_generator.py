"""Face set and embedder → a trained generator and the history of its losses."""

from pydantic import TypeAdapter

from semihard.compute.training_run import TrainingFiles
from semihard.generator.training import train_generator
from semihard.workflow.job import job, tracker_of
from semihard.workflow.settings import GeneratorEntry

if __name__ == "__main__":  # the processes that share a batch import this file, too
    with job(snakemake) as provenance:
        inputs, outputs = snakemake.input, snakemake.output
        files = TrainingFiles(outputs.model, outputs.history, outputs.epochs, tracker_of(snakemake))
        settings = TypeAdapter(GeneratorEntry).validate_python(dict(snakemake.params.settings))
        train_generator(settings, inputs.faces, files, provenance, inputs.get("embedder"))

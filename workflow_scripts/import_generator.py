"""A generator's file, or the folder of its pipeline → a generator of this study."""

from semihard.generator.file_entry import FileGenerator
from semihard.generator.import_generator import import_generator
from semihard.workflow.job import job

with job(snakemake) as provenance:
    settings = FileGenerator.model_validate(dict(snakemake.params.settings))
    import_generator(settings, snakemake.output.model, provenance, snakemake.input.get("embedder"))

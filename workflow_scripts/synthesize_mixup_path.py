"""Generator and inquiries → faces along φ from one identity to another."""

from semihard.generator.mixup_path import synthesize_mixup_path
from semihard.generator.settings import SyntheticFaces
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, SyntheticFaces(**snakemake.params.settings)
    synthesize_mixup_path(settings, inputs.generator, inputs.inquiries, inputs.model, snakemake.output.path, provenance)

"""Generator, inquiries and embedders → requested m against achieved similarity."""

from semihard.generator.calibration import calibrate_similarity, model_name
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    calibrate_similarity(
        CemiFaceGenerator(**snakemake.params.settings),
        inputs.generator,
        inputs.embedder,
        inputs.faces,
        inputs.embeddings,
        snakemake.output.calibration,
        provenance,
        {model_name(path): path for path in inputs.get("others", [])},
    )

"""Generator, inquiries and embedders → requested m against achieved similarity."""

from pydantic import TypeAdapter

from semihard.generator.calibration import calibrate_similarity, model_name
from semihard.workflow.job import job
from semihard.workflow.settings import GeneratorEntry

with job(snakemake) as provenance:
    inputs = snakemake.input
    settings = TypeAdapter(GeneratorEntry).validate_python(dict(snakemake.params.settings))
    calibrate_similarity(
        settings,
        inputs.generator,
        inputs.embedder,
        inputs.faces,
        inputs.embeddings,
        snakemake.output.calibration,
        provenance,
        {model_name(path): path for path in inputs.get("others", [])},
    )

"""The epochs that a generator's training kept → fidelity over images seen."""

from pydantic import TypeAdapter

from semihard.audit.learning_curve import measure_learning
from semihard.audit.settings import FidelityAudit
from semihard.workflow.job import job
from semihard.workflow.settings import GeneratorEntry

with job(snakemake) as provenance:
    inputs, given = snakemake.input, snakemake.params.settings
    measure_learning(
        FidelityAudit(**given["fidelity"]),
        TypeAdapter(GeneratorEntry).validate_python(given["generator"]),
        inputs.epochs,
        inputs.faces,
        inputs.embeddings,
        inputs.model,
        snakemake.output.learning,
        provenance,
        inputs.get("guide"),
    )

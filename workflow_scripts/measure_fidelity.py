"""Two face sets and their embeddings → how near one is to the other, which is real."""

from semihard.audit.fidelity import measure_fidelity
from semihard.audit.settings import FidelityAudit
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    measure_fidelity(
        FidelityAudit(**snakemake.params.settings),
        inputs.real,
        inputs.real_embeddings,
        inputs.faces,
        inputs.embeddings,
        snakemake.output.fidelity,
        provenance,
        inputs.get("inception"),
    )

"""Foreign weights → an embedder's model file."""

from pydantic import TypeAdapter

from semihard.similarity.import_embedder import import_embedder
from semihard.workflow.job import job
from semihard.workflow.settings import EmbedderEntry

with job(snakemake) as provenance:
    settings = TypeAdapter(EmbedderEntry).validate_python(snakemake.params.settings)
    import_embedder(settings, snakemake.output.model, provenance)

"""Generator (and inquiries) → one shard of a face set drawn from it."""

from pydantic import TypeAdapter

from semihard.generator.sampling import synthesize
from semihard.workflow.job import job
from semihard.workflow.settings import FaceSetEntry

with job(snakemake) as provenance:
    inputs, shard = snakemake.input, int(snakemake.wildcards.shard)
    settings = TypeAdapter(FaceSetEntry).validate_python(snakemake.params.settings)
    conditions = [inputs.get(name) for name in ("embedder", "inquiries", "inquiry_faces", "style_faces")]
    synthesize(settings, shard, inputs.generator, snakemake.output.faces, provenance, *conditions)

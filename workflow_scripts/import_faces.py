"""Photographs → face set."""

from pydantic import TypeAdapter

from semihard.sources.importing import import_faces
from semihard.workflow.job import job
from semihard.workflow.settings import FaceSetEntry

with job(snakemake) as provenance:
    settings = TypeAdapter(FaceSetEntry).validate_python(snakemake.params.settings)
    import_faces(settings, snakemake.output.faces, provenance)

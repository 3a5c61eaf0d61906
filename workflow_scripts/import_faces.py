"""Photographs → face set."""

from pydantic import TypeAdapter

from semihard.job import job
from semihard.settings import FaceSetEntry
from semihard.sources.importing import import_faces

with job(snakemake) as provenance:
    settings = TypeAdapter(FaceSetEntry).validate_python(snakemake.params.settings)
    import_faces(settings, snakemake.output.faces, provenance)

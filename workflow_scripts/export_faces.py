"""Face set → a folder of what other people's code reads."""

from semihard.sources.export import export_faces
from semihard.workflow.job import job

with job(snakemake):
    export_faces(
        snakemake.input.faces,
        snakemake.output.folder,
        snakemake.params.settings["form"],
        audit=snakemake.input.get("audit"),
    )

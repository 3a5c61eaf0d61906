"""Face set → folder, RecordIO or WebDataset."""

from semihard.job import job
from semihard.sources.export import export_faces

with job(snakemake):
    export_faces(snakemake.input.faces, snakemake.output.folder, snakemake.params.settings["form"])

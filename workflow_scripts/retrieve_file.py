"""The web or the Hugging Face Hub → a file, or the folder it becomes."""

from semihard.settings.downloads import Download
from semihard.sources.retrieve import retrieve
from semihard.workflow.job import job

with job(snakemake):
    retrieve(Download.model_validate(dict(snakemake.params.settings)), snakemake.output[0])

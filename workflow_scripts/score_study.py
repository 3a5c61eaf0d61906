"""All verification results → the study table."""

from semihard.study_table.scores import Outputs, Row, score_study
from semihard.workflow.job import job

with job(snakemake) as provenance:
    settings = dict(snakemake.params.settings)
    rows = [Row(**run) for run in settings.pop("runs")]
    score_study(rows, outputs=Outputs(**dict(snakemake.output.items())), provenance=provenance, **settings)

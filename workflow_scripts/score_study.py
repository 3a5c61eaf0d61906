"""All verification results → the study table."""

from semihard.job import job
from semihard.scores import Outputs, Row, score_study

with job(snakemake) as provenance:
    settings = dict(snakemake.params.settings)
    rows = [Row(**run) for run in settings.pop("runs")]
    score_study(rows, outputs=Outputs(**dict(snakemake.output.items())), provenance=provenance, **settings)

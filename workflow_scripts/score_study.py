"""All verification results → the study table."""

from semihard.job import job
from semihard.scores import Row, score_study

with job(snakemake) as provenance:
    settings, outputs = snakemake.params.settings, snakemake.output
    rows = [Row(**run) for run in settings["runs"]]
    score_study(rows, settings["real"], outputs.table, outputs.scores, provenance)

"""All fairness artifacts → the table of groups."""

from semihard.study_table.fairness import FairnessRow, score_fairness
from semihard.workflow.job import job

with job(snakemake):
    rows = [FairnessRow(**run) for run in snakemake.params.settings["runs"]]
    score_fairness(rows, snakemake.output.csv, snakemake.output.markdown)

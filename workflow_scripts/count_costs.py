"""Run records of all that a study is made of → what its stages took."""

from pathlib import Path

from semihard.study_table.costs import count_costs
from semihard.workflow.job import job

with job(snakemake):
    output = Path(snakemake.output.csv)
    count_costs(snakemake.input, output.parents[1], output)

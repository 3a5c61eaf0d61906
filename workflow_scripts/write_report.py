"""All that a study shows → one page that opens on what was found."""

from semihard.study_table.report import Contents, write_report
from semihard.workflow.job import job

with job(snakemake):
    write_report(snakemake.output.page, Contents(**snakemake.params.settings))

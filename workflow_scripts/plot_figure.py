"""A figure of the report, and the CSV of the numbers it draws."""

from semihard.figures.draw import draw_figure
from semihard.workflow.job import job

with job(snakemake):
    outputs, settings = snakemake.output, dict(snakemake.params.settings)
    inputs = {name: value for name, value in snakemake.input.items() if name != "also"}
    draw_figure(settings.pop("draws"), inputs, outputs.picture, outputs.table, **settings)

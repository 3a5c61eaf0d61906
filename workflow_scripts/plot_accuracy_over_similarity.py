"""Study table and series of lines → accuracy over similarity, with what was found in words."""

from semihard.figures.discovery import plot_accuracy_over_similarity
from semihard.workflow.job import job

with job(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    plot_accuracy_over_similarity(
        snakemake.input.scores, settings["series"], settings["real"], outputs.picture, outputs.table
    )

"""Identity centers → similarity of images to their own, per face set."""

from semihard.figures.similarity import plot_similarity_histogram
from semihard.workflow.job import job

with job(snakemake):
    settings, outputs = snakemake.params.settings, snakemake.output
    labelled = dict(zip(settings["labels"], snakemake.input.centers, strict=True))
    plot_similarity_histogram(labelled, outputs.picture, outputs.table, settings["real"])

"""Attributes of several face sets → what they differ in."""

from semihard.attributes.comparison import compare_attributes
from semihard.workflow.job import job

with job(snakemake):
    settings = snakemake.params.settings
    annotations = dict(zip(settings["names"], snakemake.input.attributes, strict=True))
    asked = (settings["real"], settings["joint"], settings["resamples"])
    compare_attributes(annotations, *asked, dict(snakemake.output.items()))

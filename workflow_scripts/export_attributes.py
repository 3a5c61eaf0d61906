"""Attributes of a face set → CSV in MAAD-Face's layout."""

from semihard.attributes.annotation import export_attributes
from semihard.workflow.job import job

with job(snakemake):
    export_attributes(snakemake.input.attributes, snakemake.input.faces, snakemake.output.csv)

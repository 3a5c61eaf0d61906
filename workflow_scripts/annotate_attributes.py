"""Attribute classifier → attributes of a face set."""

from semihard.attributes.annotation import annotate_attributes
from semihard.attributes.settings import Annotation
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    given = (inputs.classifier, inputs.faces, inputs.embeddings)
    annotate_attributes(Annotation(**snakemake.params.settings), *given, snakemake.output.attributes, provenance)

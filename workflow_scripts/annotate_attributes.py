"""Attribute classifier → attributes of a face set."""

from semihard.audit.attributes import annotate_attributes
from semihard.audit.settings import AttributeStudy
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, AttributeStudy(**snakemake.params.settings)
    given = (inputs.classifier, inputs.labelled, inputs.faces, inputs.embeddings)
    annotate_attributes(settings, *given, snakemake.output.attributes, provenance)

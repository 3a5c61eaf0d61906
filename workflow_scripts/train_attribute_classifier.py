"""Labelled faces → the attribute classifier."""

from semihard.audit.attributes import train_attribute_classifier
from semihard.audit.settings import AttributeStudy
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, AttributeStudy(**snakemake.params.settings)
    train_attribute_classifier(settings, inputs.labelled, inputs.embeddings, snakemake.output.classifier, provenance)

"""Labelled faces → the attribute classifier."""

from semihard.audit.attributes import train_attribute_classifier
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs = snakemake.input
    train_attribute_classifier(inputs.labelled, inputs.embeddings, snakemake.output.classifier, provenance)

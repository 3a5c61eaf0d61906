"""Labelled face sets and their embeddings → an attribute classifier and its card."""

from semihard.attributes.settings import TrainedClassifier
from semihard.attributes.training import train_attribute_classifier
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, outputs = snakemake.input, snakemake.output
    settings = TrainedClassifier(**snakemake.params.settings)
    train_attribute_classifier(settings, inputs.faces, inputs.embeddings, outputs.classifier, outputs.card, provenance)

"""Another study's attribute classifier → one of this study."""

from semihard.attributes.import_classifier import import_attribute_classifier
from semihard.attributes.settings import ClassifierFile
from semihard.workflow.job import job

with job(snakemake) as provenance:
    outputs, settings = snakemake.output, ClassifierFile(**snakemake.params.settings)
    import_attribute_classifier(settings, snakemake.input.model, outputs.classifier, outputs.card, provenance)

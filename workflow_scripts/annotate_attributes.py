"""Labelled faces → attribute classifier → attributes of a face set."""

from semihard.audit.attributes import annotate_attributes
from semihard.job import job
from semihard.settings import AttributeStudy

with job(snakemake) as provenance:
    inputs = snakemake.input
    settings = AttributeStudy(**snakemake.params.settings)
    annotate_attributes(
        settings,
        inputs.labelled,
        inputs.labelled_embeddings,
        inputs.faces,
        inputs.embeddings,
        snakemake.output.attributes,
        provenance,
    )

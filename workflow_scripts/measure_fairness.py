"""Verifications, people and their groups → error rates by group, and measures over groups."""

from itertools import repeat

from semihard.audit.fairness import measure_fairness
from semihard.audit.fairness_pairs import Benchmark
from semihard.audit.settings import FairnessAudit
from semihard.sources.attribute_names import FAMILIES
from semihard.workflow.job import job

with job(snakemake) as provenance:
    inputs, settings = snakemake.input, dict(snakemake.params.settings)
    groups = settings.pop("group_of_each")
    attributes = inputs.attributes or repeat(None, len(groups))
    each = zip(inputs.faces, inputs.pairs, inputs.verifications, groups, attributes, strict=True)
    benchmarks = [Benchmark(*files) for files in each]
    measure_fairness(FairnessAudit(**settings), benchmarks, snakemake.output.fairness, provenance, FAMILIES)

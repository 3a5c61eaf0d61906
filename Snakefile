"""semihard: from a folder of faces to a verified table of what synthetic training sets are worth."""

from snakemake.utils import min_version

min_version("9.12.0")


# A study given by --configfile is complete: the demo's entries do not mix into it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/resources.smk"


pathvars:
    results=PLAN.results,


report: "report/workflow.rst"


# For --sdm apptainer alone: the image that the Dockerfile makes (docs/packaging.md).
container: "semihard.sif"


include: "rules/downloads.smk"
include: "rules/faces.smk"
include: "rules/similarity.smk"
include: "rules/generator.smk"
include: "rules/synthesis.smk"
include: "rules/recognizer.smk"
include: "rules/verification.smk"
include: "rules/attributes.smk"
include: "rules/audit.smk"
include: "rules/fairness.smk"
include: "rules/report.smk"
include: "rules/costs.smk"


localrules:
    all,


onstart:
    FINGERPRINTS.keep()  # each job is a start of Snakemake, which finds them
    check_cluster()
    tell_progress()


onerror:
    tell_failures()


rule all:
    default_target: True
    input:
        DELIVERABLES,
        [at("costs")] if DELIVERABLES else [],
        at("report"),

"""The Python of the workflow: the checked study, and short names for what rules ask of it. (resources.smk: what jobs ask for.)

What is needed: the configuration. What it gives: PLAN, at(), code(), settings() and the input functions of the rules.
"""

import sys
from functools import partial
from pathlib import Path

SCRIPTS = Path(str(workflow.current_basedir)).parent / "workflow_scripts"
if not (SCRIPTS / "semihard").is_dir():  # a module from a URL: Snakemake brings its rules and scripts one by one
    sys.exit(
        f"{SCRIPTS}/semihard: not on this machine; use semihard from a clone at the tag you want (docs/packaging.md)"
    )
sys.path.insert(0, str(SCRIPTS))

import semihard
from semihard.errors import InputError

if (other := Path(semihard.__file__).parents[1]).resolve() != SCRIPTS.resolve():
    sys.exit(
        f"{SCRIPTS}: the library was imported from {other} before; a workflow uses one semihard (docs/packaging.md)"
    )

try:
    from semihard.generator.file_entry import METHODS
    from semihard.settings.base import CENTERS
    from semihard.settings.binning import BINNING
    from semihard.workflow.attribute_plan import annotation, annotations, attribute_comparison, attribute_sets
    from semihard.workflow.configuration import read_yaml
    from semihard.workflow.consistency_checks import remarks
    from semihard.workflow.deliverables import deliverables
    from semihard.workflow.download_plan import check_downloads, download_names, download_settings, downloaded
    from semihard.workflow.export_plan import (
        export_inputs,
        licence_of,
        model_inputs,
        model_settings,
        models,
        pipeline_inputs,
        pipelines,
    )
    from semihard.workflow.fairness_plan import TOGETHER, fairness_inputs, fairness_runs, fairness_settings
    from semihard.workflow.figures import FIGURES
    from semihard.workflow.folder_listing import listing_of
    from semihard.workflow.kept_fingerprints import KeptFingerprints
    from semihard.workflow.leakage_references import check_references, leakage_references, leakages
    from semihard.workflow.paths import path_of as at
    from semihard.workflow.report_plan import report_contents, report_inputs
    from semihard.workflow.study import Plan
    from semihard.workflow.targets import EXPORTED_AS, SECTION_OF, check_targets
    from semihard.workflow.user_files import (
        check_files,
        files_of,
        inception_weights,
        leave_out_absent_benchmarks,
    )

    for path in workflow.configfiles:
        read_yaml(path)  # for the sake of its checks: Snakemake's own reader lets a second entry of one name win
    FINGERPRINTS = KeptFingerprints(Path(".snakemake/semihard/fingerprints.json"))
    PLAN = Plan(config, FINGERPRINTS)
    left_out = leave_out_absent_benchmarks(PLAN)
    if workflow.is_main_process:
        for line in [*left_out, *remarks(PLAN.config, PLAN.needed)]:
            print(line, file=sys.stderr)
        leakages(PLAN)  # for the sake of its checks
        for name in pipelines(PLAN):
            licence_of(PLAN, name)
        for model in models(PLAN):
            model_settings(PLAN, **model)
        check_downloads(PLAN)
        check_files(PLAN)
except InputError as error:
    sys.exit(f"The configuration cannot be used:\n{error}")

try:  # by the command line, as Snakemake tells a workflow its targets only when it has been read
    check_targets(PLAN, sys.argv[1:] if workflow.is_main_process else ())
except InputError as error:
    sys.exit(f"This is not part of the study:\n{error}")

STUDY = PLAN.study
DELIVERABLES = deliverables(PLAN)


wildcard_constraints:
    faceset="[^/]+",
    reference="[^/]+",
    embedder="[^/]+",
    generator="[^/]+",
    recognizer="[^/]+",
    benchmark="[^/]+",
    classifier="[^/]+",
    benchmarks="[^/]+",
    center="|".join(CENTERS),
    binning=BINNING,
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


# of a synthetic face set: what only the selection of inquiries and the gathering of shards depend on
NOT_DRAWN_BY = ("inquiry_threshold", "inquiry_embedder", "inquiry_novelty", "inquiry_rounds", "quality_quantile")
NOT_DRAWN_BY += ("inquiry_copies",)


def settings(wildcard, *leave_out):
    """The parameter function that gives a rule its own entry of the configuration."""
    return lambda wildcards: PLAN.settings_of(SECTION_OF[wildcard], wildcards[wildcard], leave_out)


def asked(question, *given):
    """The answer of the plan to a rule's question; a mistake of the user's is said without a traceback."""
    try:
        return question(*given)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def code(script, wildcard=None, drawn=""):
    """The fingerprint of a script (and of what draws a figure) or, where it finds modules by the names in an entry, the
    parameter function for it."""

    def fingerprint(*entry_of):
        return asked(partial(PLAN.code, script, drawn=drawn), *entry_of)

    if wildcard is None:
        return fingerprint()
    return lambda wildcards: fingerprint(SECTION_OF.get(wildcard, ""), wildcards[wildcard])


def entry(wildcard, name):
    return getattr(PLAN.config, SECTION_OF[wildcard])[name]


def one_of(names):
    return "|".join(map(re.escape, names)) or "(?!)"


def made_by(rule):
    """A wildcard constraint: the entries that a rule makes."""
    return one_of(PLAN.made_by(rule))


def fetched(folder):
    """A wildcard constraint: the downloads that become a folder, or a file."""
    return one_of(download_names(PLAN, folder))


def data_of(section, wildcard):
    """The input function for the user's own files that an entry reads."""
    return lambda wildcards: [str(path) for path in files_of(PLAN, section, wildcards[wildcard])]


def listing(section, wildcard):
    """The parameter function that tells an overwritten file of a folder. Where nothing is listed, it gives what Snakemake
    does not record, so that what was imported before there were listings stays as it is."""
    fetched = downloaded(PLAN)
    return (
        lambda wildcards: listing_of(
            path for path in files_of(PLAN, section, wildcards[wildcard]) if path not in fetched
        )
        or Ellipsis
    )


def embedder_model(wildcards):
    return PLAN.embedder_model(wildcards.embedder)


def study_embedder_model(wildcards):
    return PLAN.embedder_model(STUDY.embedder)


def guide_of(generator, name):
    """The model of the embedder that a generator is guided by, under `name`; nothing where there is none."""
    guide = getattr(generator, "embedder", None)
    return {name: PLAN.embedder_model(guide)} if guide else {}


def generator_inputs(wildcards):
    generator = entry("generator", wildcards.generator)
    return {"faces": PLAN.path("faces", faceset=generator.trained_on)} | guide_of(generator, "embedder")


def imported_generator_inputs(wildcards):
    return guide_of(entry("generator", wildcards.generator), "embedder")


def licence(wildcards):
    return {"licence": asked(licence_of, PLAN, wildcards.generator)}


def about_model(wildcards):
    return asked(model_settings, PLAN, wildcards.recognizer, wildcards.faceset, int(wildcards.seed))


def learning_inputs(wildcards):
    """The training set and who measures; for a generator with an embedder, that too."""
    generator, judge = entry("generator", wildcards.generator), PLAN.fidelity_embedder()
    if not generator.keep_every:
        raise WorkflowError(f"generators.{wildcards.generator} keeps no epochs to draw a curve of: set its keep_every")
    return guide_of(generator, "guide") | {
        "faces": PLAN.path("faces", faceset=generator.trained_on),
        "embeddings": PLAN.path("embeddings", embedder=judge, faceset=generator.trained_on),
        "model": PLAN.embedder_model(judge),
    }


def calibration_inputs(wildcards):
    generator, inquiries = entry("generator", wildcards.generator), PLAN.inquiries_of(wildcards.generator)
    return guide_of(generator, "embedder") | {
        "others": PLAN.other_embedders(wildcards.generator),
        "faces": PLAN.path("faces", faceset=inquiries),
        "embeddings": PLAN.path("embeddings", embedder=generator.embedder, faceset=inquiries),
    }


def inquiry_inputs(wildcards):
    faceset = entry("faceset", wildcards.faceset)
    generator = entry("generator", faceset.generator)
    which = {"embedder": generator.embedder, "faceset": faceset.inquiries}
    inputs = {"faces": PLAN.path("faces", faceset=faceset.inquiries), "embeddings": PLAN.path("embeddings", **which)}
    if faceset.center in CENTERS:
        inputs["centers"] = PLAN.path("centers", **which, center=faceset.center)
    if other := faceset.inquiry_embedder:
        inputs["told_apart_by"] = PLAN.path("embeddings", embedder=other, faceset=faceset.inquiries)
    if faceset.inquiry_novelty is not None:
        told_by = faceset.inquiry_embedder or generator.embedder
        inputs["known"] = PLAN.path("centers", embedder=told_by, faceset=generator.trained_on, center="mean")
    return inputs


def synthesis_inputs(wildcards):
    faceset = entry("faceset", wildcards.faceset)
    generator = entry("generator", faceset.generator)
    inputs = {"generator": PLAN.path("generator", generator=faceset.generator)} | guide_of(generator, "embedder")
    if METHODS[generator.method].conditioned_on != "nothing":
        inputs["inquiries"] = PLAN.path("inquiries", faceset=wildcards.faceset)
    if METHODS[generator.method].conditioned_on == "image":
        inputs["inquiry_faces"] = PLAN.path("faces", faceset=faceset.inquiries)
        inputs["style_faces"] = PLAN.path("faces", faceset=faceset.styles or generator.trained_on)
    return inputs


def gathering_inputs(wildcards):
    """The shards, and where the inquiry images join their classes, those."""
    faceset, shards = entry("faceset", wildcards.faceset), entry("faceset", wildcards.faceset).shards
    inputs = {
        "shards": [PLAN.path("shard", faceset=wildcards.faceset, shard=shard, shards=shards) for shard in range(shards)]
    }
    if getattr(faceset, "inquiry_copies", 0):
        inputs["inquiries"] = PLAN.path("inquiries", faceset=wildcards.faceset)
        inputs["inquiry_faces"] = PLAN.path("faces", faceset=faceset.inquiries)
    made_of = [getattr(faceset, "inquiries", None), entry("generator", faceset.generator).trained_on]
    inputs["made_of"] = [PLAN.path("faces", faceset=name) for name in dict.fromkeys(filter(None, made_of))]
    return inputs


def bin_inputs(wildcards):
    e = entry("faceset", wildcards.faceset)
    which = {"embedder": e.embedder, "faceset": e.of, "center": e.center}
    return {
        "faces": PLAN.path("faces", faceset=e.of),
        "centers": PLAN.path("centers", **which),
        "bins": PLAN.path("bins", **which, binning=e.binning),
    }


def subset_inputs(wildcards):
    e = entry("faceset", wildcards.faceset)
    exclude = [PLAN.path("faces", faceset=e.exclude)] if e.exclude else []
    exclude += [PLAN.path("benchmark faces", benchmark=e.exclude_benchmark)] if e.exclude_benchmark else []
    return {"faces": PLAN.path("faces", faceset=e.of), "exclude": exclude}


def center_inputs(wildcards):
    model = {"model": PLAN.embedder_model(wildcards.embedder)} if wildcards.center == "class_weight" else {}
    which = {"embedder": wildcards.embedder, "faceset": wildcards.faceset}
    return model | {
        "faces": PLAN.path("faces", faceset=wildcards.faceset),
        "embeddings": PLAN.path("embeddings", **which),
    }


def classifier_inputs(wildcards):
    e = entry("classifier", wildcards.classifier)
    return {
        "faces": [PLAN.path("faces", faceset=name) for name in e.labelled],
        "embeddings": [PLAN.path("embeddings", embedder=e.embedder, faceset=name) for name in e.labelled],
    }


def training_inputs(wildcards):
    mixed = entry("recognizer", wildcards.recognizer).domain_mixup
    real = {"real": PLAN.path("faces", faceset=mixed.real)} if mixed else {}
    return {"faces": PLAN.path("faces", faceset=wildcards.faceset)} | real


def leakage_inputs(wildcards):
    """What is audited, the reference, and the null's people where they are named."""
    asked(check_references, wildcards.faceset, wildcards.reference, STUDY.leakage.unrelated)
    return faces_and_embeddings(
        faces=wildcards.faceset, reference=wildcards.reference, unrelated=STUDY.leakage.unrelated
    )


def duplicates_inputs(wildcards):
    """A face set, and the null's people where they are named, and others."""
    unrelated = STUDY.leakage.unrelated
    return faces_and_embeddings(
        faces=wildcards.faceset, unrelated=unrelated if unrelated != wildcards.faceset else None
    )


def faces_and_embeddings(**facesets):
    """Each face set that is named, and its embeddings by the study's embedder."""
    named = {key: name for key, name in facesets.items() if name}
    return {key: PLAN.path("faces", faceset=name) for key, name in named.items()} | {
        f"{key}_embeddings": PLAN.path("embeddings", embedder=STUDY.embedder, faceset=name)
        for key, name in named.items()
    }


def page_inputs(wildcards):
    """The face set and all that is measured of it; sheets of its faces and of its nearest ones."""
    name = wildcards.faceset
    of_set = {kind: PLAN.path(kind, faceset=name) for kind in ("faces", "duplicates", "diversity")}
    sheets = [f"samples/{name}.png"]
    if name in PLAN.audited_facesets():
        references = leakage_references(PLAN, name)
        of_set["leakages"] = [PLAN.path("leakage", faceset=name, reference=reference) for reference in references]
        sheets += [f"leakage/{name}/{reference}.png" for reference in references]
    if name in PLAN.measured_facesets():
        of_set["fidelity"] = PLAN.path("fidelity", faceset=name)
    if name in attribute_sets(PLAN):
        of_set |= {table: PLAN.path("compared attributes", table=table) for table in ("sets", "together")}
    return of_set | {"pictures": [f"{PLAN.results}/figures/{sheet}" for sheet in sheets]}


def benchmark_groups_inputs(wildcards):
    return fairness_inputs(PLAN, wildcards.benchmarks)


def verifications_by(artifact):
    """The input function for the verifications of joined benchmarks."""
    return lambda wildcards: [
        PLAN.path(artifact, **(dict(wildcards.items()) | {"benchmark": name}))
        for name in wildcards.benchmarks.split(TOGETHER)
    ]

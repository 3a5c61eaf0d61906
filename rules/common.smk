"""The only Python of the workflow: the checked study, and short names for what rules ask of it.

What is needed: the configuration. What it gives: PLAN, code(), settings() and the input functions of the rules.
"""

import sys
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from semihard.workflow.configuration import read_yaml
from semihard.errors import InputError
from semihard.workflow.fingerprint import fingerprint as code
from semihard.workflow.study import Plan

try:
    for path in workflow.configfiles:
        read_yaml(path)  # for the sake of its checks: Snakemake's own reader lets a second entry of one name win
    PLAN = Plan(config)
    left_out = PLAN.leave_out_absent_benchmarks()
    if workflow.is_main_process:
        print(*left_out, sep="\n", end="\n" * bool(left_out), file=sys.stderr)
        PLAN.check_data()
except InputError as error:
    sys.exit(f"The configuration cannot be used:\n{error}")

STUDY = PLAN.study
SECTION_OF = {
    "faceset": "facesets",
    "embedder": "embedders",
    "generator": "generators",
    "recognizer": "recognizers",
    "benchmark": "benchmarks",
}


wildcard_constraints:
    faceset="[^/]+",
    embedder="[^/]+",
    generator="[^/]+",
    recognizer="[^/]+",
    benchmark="[^/]+",
    center="class_weight|mean",
    binning=r"quantile-\d+|threshold(-?-[\d.]+)+",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


def settings(wildcard, *leave_out):
    """The parameter function that gives a rule its own entry of the configuration."""
    return lambda wildcards: PLAN.settings_of(SECTION_OF[wildcard], wildcards[wildcard], leave_out)


def entry(wildcard, name):
    return getattr(PLAN.config, SECTION_OF[wildcard])[name]


def names_from(section, *sources):
    """A wildcard constraint: the entries of `section` that come from one of `sources`."""
    return "|".join(map(re.escape, PLAN.of_source(section, *sources))) or "(?!)"


def data_of(section, wildcard):
    """The input function for the user's own files that an entry reads."""
    return lambda wildcards: [str(path) for path in PLAN.data_path(section, wildcards[wildcard])]


def embedder_model(wildcards):
    return PLAN.embedder_model(wildcards.embedder)


def generator_inputs(wildcards):
    generator = entry("generator", wildcards.generator)
    embedder = {} if generator.method == "ddpm" else {"embedder": PLAN.embedder_model(generator.embedder)}
    return {"faces": PLAN.faces(generator.trained_on)} | embedder


def learning_inputs(wildcards):
    """The training set and who measures; for a generator with an embedder, that too."""
    generator, judge = entry("generator", wildcards.generator), PLAN.fidelity_embedder()
    if not generator.keep_every:
        raise WorkflowError(f"generators.{wildcards.generator} keeps no epochs to draw a curve of: set its keep_every")
    guide = {} if generator.method == "ddpm" else {"guide": PLAN.embedder_model(generator.embedder)}
    return guide | {
        "faces": PLAN.faces(generator.trained_on),
        "embeddings": PLAN.embeddings(judge, generator.trained_on),
        "model": PLAN.embedder_model(judge),
    }


def calibration_inputs(wildcards):
    embedder = entry("generator", wildcards.generator).embedder
    inquiries = PLAN.inquiries_of(wildcards.generator)
    return {
        "embedder": PLAN.embedder_model(embedder),
        "others": PLAN.other_embedders(wildcards.generator),
        "faces": PLAN.faces(inquiries),
        "embeddings": PLAN.embeddings(embedder, inquiries),
    }


def inquiry_inputs(wildcards):
    faceset = entry("faceset", wildcards.faceset)
    embedder = entry("generator", faceset.generator).embedder
    centers = {"centers": PLAN.centers(embedder, faceset.inquiries, faceset.center)} if faceset.center else {}
    other = faceset.inquiry_embedder
    told_apart = {"told_apart_by": PLAN.embeddings(other, faceset.inquiries)} if other else {}
    return (
        centers
        | told_apart
        | {
            "faces": PLAN.faces(faceset.inquiries),
            "embeddings": PLAN.embeddings(embedder, faceset.inquiries),
        }
    )


def synthesis_inputs(wildcards):
    faceset = entry("faceset", wildcards.faceset)
    generator = entry("generator", faceset.generator)
    inputs = {"generator": f"{PLAN.results}/generators/{faceset.generator}/model.safetensors"}
    if generator.method != "ddpm":
        inputs["embedder"] = PLAN.embedder_model(generator.embedder)
        inputs["inquiries"] = f"{PLAN.results}/inquiries/{wildcards.faceset}.h5"
    if generator.method == "dcface":
        inputs["inquiry_faces"] = PLAN.faces(faceset.inquiries)
        inputs["style_faces"] = PLAN.faces(faceset.styles or generator.trained_on)
    return inputs


def gathering_inputs(wildcards):
    """The shards, and where the inquiry images join their classes, those."""
    faceset = entry("faceset", wildcards.faceset)
    inputs = {"shards": shards_of(wildcards)}
    if getattr(faceset, "inquiry_copies", 0):
        inputs["inquiries"] = f"{PLAN.results}/inquiries/{wildcards.faceset}.h5"
        inputs["inquiry_faces"] = PLAN.faces(faceset.inquiries)
    return inputs


def shards_of(wildcards):
    shards = entry("faceset", wildcards.faceset).shards
    return [f"{PLAN.results}/synthesis/{wildcards.faceset}/shard{shard}of{shards}.h5" for shard in range(shards)]


def bin_inputs(wildcards):
    e = entry("faceset", wildcards.faceset)
    return {
        "faces": PLAN.faces(e.of),
        "centers": PLAN.centers(e.embedder, e.of, e.center),
        "bins": PLAN.bins(e.embedder, e.of, e.center, e.binning),
    }


def subset_inputs(wildcards):
    e = entry("faceset", wildcards.faceset)
    exclude = [PLAN.faces(e.exclude)] if e.exclude else []
    exclude += [f"{PLAN.results}/benchmarks/{e.exclude_benchmark}/faces.h5"] if e.exclude_benchmark else []
    return {"faces": PLAN.faces(e.of), "exclude": exclude}


def center_inputs(wildcards):
    model = {"model": PLAN.embedder_model(wildcards.embedder)} if wildcards.center == "class_weight" else {}
    return model | {
        "faces": PLAN.faces(wildcards.faceset),
        "embeddings": PLAN.embeddings(wildcards.embedder, wildcards.faceset),
    }


def training_inputs(wildcards):
    mixed = entry("recognizer", wildcards.recognizer).domain_mixup
    return {"faces": PLAN.faces(wildcards.faceset)} | ({"real": PLAN.faces(mixed.real)} if mixed else {})


def leakage_inputs(wildcards):
    """The reference is what the generator has seen."""
    trained_on = entry("generator", entry("faceset", wildcards.faceset).generator).trained_on
    return {"reference": PLAN.faces(trained_on), "reference_embeddings": PLAN.embeddings(STUDY.embedder, trained_on)}

"""Where every artifact lies within the results folder: the one table that rules and plan share."""

import string

ARTIFACTS = {
    "faces": "facesets/{faceset}.h5",
    "benchmark faces": "benchmarks/{benchmark}/faces.h5",
    "pairs": "benchmarks/{benchmark}/pairs.h5",
    "embedder": "embedders/{embedder}/model.safetensors",
    "embeddings": "embeddings/{embedder}/{faceset}.h5",
    "benchmark embeddings": "embeddings/{embedder}/benchmarks/{benchmark}.h5",
    "centers": "centers/{embedder}/{faceset}/{center}.h5",
    "bins": "bins/{embedder}/{faceset}/{center}/{binning}.h5",
    "generator": "generators/{generator}/model.safetensors",
    "generator history": "generators/{generator}/history.h5",
    "generator epochs": "generators/{generator}/epochs",
    "calibration": "generators/{generator}/calibration.h5",
    "learning": "generators/{generator}/learning.h5",
    "inquiries": "inquiries/{faceset}.h5",
    "shard": "synthesis/{faceset}/shard{shard}of{shards}.h5",
    "recognizer": "recognizers/{recognizer}/{faceset}/seed{seed}/model.safetensors",
    "recognizer history": "recognizers/{recognizer}/{faceset}/seed{seed}/history.h5",
    "recognizer epochs": "recognizers/{recognizer}/{faceset}/seed{seed}/epochs",
    "verification": "verification/recognizers/{recognizer}/{faceset}/seed{seed}/{benchmark}.h5",
    "verified epochs": "verification/recognizers/{recognizer}/{faceset}/seed{seed}/epochs/{benchmark}.h5",
    "verified embedder": "verification/embedders/{embedder}/{benchmark}.h5",
    "attribute classifier": "attribute_classifiers/{classifier}/model.safetensors",
    "attribute classifier card": "attribute_classifiers/{classifier}/README.md",
    "attributes": "attributes/{classifier}/{faceset}.h5",
    "attributes csv": "attributes/{classifier}/{faceset}.csv",
    "benchmark attributes": "attributes/{classifier}/benchmarks/{benchmark}.h5",
    "compared attributes": "audit/attributes/{table}.csv",
    "leakage": "audit/leakage/{faceset}/{reference}.h5",
    "duplicates": "audit/duplicates/{faceset}.h5",
    "diversity": "audit/diversity/{faceset}.h5",
    "fidelity": "audit/fidelity/{faceset}.h5",
    "fairness": "fairness/recognizers/{recognizer}/{faceset}/seed{seed}/{benchmarks}.h5",
    "fairness of embedder": "fairness/embedders/{embedder}/{benchmarks}.h5",
    "page": "audit/pages/{faceset}.{form}",
    "mixup path": "mixup_paths/{faceset}.h5",
    "scores": "study/scores.{form}",
    "mcnemar": "study/mcnemar.csv",
    "costs": "study/costs.csv",
    "fairness table": "study/fairness.{form}",
    "report": "report.html",
    "export": "export/{faceset}/{form}",
    "exported benchmark": "export/benchmarks/{benchmark}.bin",
    "pipeline": "pipelines/{generator}",
    "exported recognizer": "models/{recognizer}/{faceset}/seed{seed}",
}


def path_of(artifact: str, root: str = "<results>", **known: object) -> str:
    """The path of `artifact` under `root`, the wildcards in `known` filled in and the others left to Snakemake."""
    wildcards = (name for _, name, _, _ in string.Formatter().parse(ARTIFACTS[artifact]) if name)
    return f"{root}/" + ARTIFACTS[artifact].format(**{name: known.get(name, f"{{{name}}}") for name in wildcards})

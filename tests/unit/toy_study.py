"""A folder of results made by stand-ins of Snakemake's jobs, each through `job`, with a record each."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.provenance import Provenance
from semihard.workflow.job import job
from tests.unit.test_job import Params, Wildcards, snakemake

RESULTS = "results/toy"


class Files(list):
    """Files as Snakemake gives them: a list with names, a name for one file or several."""

    def __init__(self, **named: str | list[str]):
        super().__init__(path for value in named.values() for path in ([value] if isinstance(value, str) else value))
        self._named = named

    def items(self) -> list[tuple[str, str | list[str]]]:
        return list(self._named.items())


class Named(Wildcards, Params):
    """Wildcards with all that is asked of them."""


def stand_in(rule: str, inputs: Mapping, outputs: Mapping, settings: Mapping | None = None, **wildcards: str):
    """A job of a rule; its log is named after its wildcards."""
    stub = snakemake(Path())
    stub.rule, stub.wildcards, stub.input, stub.output = rule, Named(**wildcards), Files(**inputs), Files(**outputs)
    stub.log = [f"{RESULTS}/logs/{'/'.join([rule, *wildcards.values()])}.log"]
    stub.params = Params(settings=dict(settings or {}), code=f"code of {rule}")
    return stub


def record_of(rule: str, *wildcards: str) -> dict:
    """What the record of a job says."""
    return json.loads(Path(RESULTS, "provenance", f"{'/'.join([rule, *wildcards])}.json").read_text(encoding="utf-8"))


def write_embeddings(path: str, provenance: Provenance, value: float = 0.0) -> None:
    """An artifact."""
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": np.full((3, 2), value)}, provenance)


def run(
    rule: str, inputs: Mapping, outputs: Mapping, settings: Mapping | None = None,
    write: Callable[[str, Provenance], None] = write_embeddings, **wildcards: str,
) -> None:  # fmt: skip
    """Run a job that writes its outputs."""
    with job(stand_in(rule, inputs, outputs, settings, **wildcards)) as provenance:
        for path in outputs.values():
            write(path, provenance)


def write_text(path: str, provenance: Provenance) -> None:
    """A table."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f"{provenance.rule}\n", encoding="utf-8")


FACES, MODEL, SCORES = f"{RESULTS}/facesets/real.h5", f"{RESULTS}/models/tiny.h5", f"{RESULTS}/study/scores.csv"
RUNS = [
    {"label": label, "faceset": label, "recognizer": "tiny", "benchmark": benchmark, "epochs": None, "seed": 0}
    | {"path": f"{RESULTS}/verification/{label}/{benchmark}.h5"}
    for label in ("real", "synthetic")
    for benchmark in ("lfw", "cplfw")
]


def make_study() -> None:
    """In the current folder: a source file → faces → a model → verifications of two lines on two benchmarks → the table."""
    Path("faces.rec").write_bytes(b"photographs")
    run("import_faces", {"data": ["faces.rec"]}, {"faces": FACES}, {"path": "faces.rec"}, faceset="real")
    run("train_recognizer", {"faces": FACES}, {"model": MODEL}, seed="3")
    for number, one in enumerate(RUNS):
        given = {"faces": FACES, "model": MODEL}
        write = lambda path, provenance, number=number: write_embeddings(path, provenance, number)  # noqa: E731
        run("verify", given, {"verification": one["path"]}, None, write, label=one["label"], benchmark=one["benchmark"])
    about = {"runs": RUNS, "real": "real", "averaged": ["lfw"], "fidelities": {}, "facesets": {"real": FACES}}
    run("score_study", {"files": [*(one["path"] for one in RUNS), FACES]}, {"csv": SCORES}, about, write_text)

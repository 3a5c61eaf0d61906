"""Writes the reference pages from what they describe: docs/configuration.md, docs/config.schema.json, docs/artifacts.md.

Run by `make docs`; a test fails where a page is out of step.
"""

import json
import sys
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from semihard.generator.sizes import SIZES
from semihard.recognizer.settings import RECIPES, Recognizer
from semihard.storage import schemas
from semihard.workflow.reruns import stages_after_edit
from semihard.workflow.settings import Config

DOCS = Path(__file__).parents[3] / "docs"


CONFIGURATION = """\
# Configuration

Made from the `settings.py` of every room of `workflow_scripts/semihard/` by `make docs`. A list where one value is
expected is a sweep: the entry `cemi: {similarity: [0.0, 0.5]}` becomes `cemi-similarity0.0` and `cemi-similarity0.5`, and
`compare: [cemi]` both. The name of the sweep stands for all of them in `compare`, `benchmarks`, `references` and `show`;
elsewhere one of them is named. Keys of type list are no sweep. Names have letters, digits, `_`, `.` and `-`. A file given
by `--configfile` is a complete study: the demo's `config.yaml` does not mix into it. `--config "study={'seeds': [0, 1]}"`
changes single values.

"""
ARTIFACTS = """\
# Artifacts

Made from `workflow_scripts/semihard/storage/schemas.py` by `make docs`. Every artifact is an HDF5 file (look inside with
`h5dump -A FILE`) with the attributes `kind`, `schema` (the version of its kind), `rule`, `settings` (the entry of the
configuration, JSON), `code` (fingerprint of the code that ran), `versions`, `inputs` (SHA-256 of what it was made of, JSON,
by the rule's name for it, a list where that may be several files; of a folder of yours `listing:` and that of its files'
names and sizes), `device` ("cpu", or the GPU's name) and, where random numbers were drawn by it, `seed`. It holds no time and
no host, so the same inputs give the same bytes. It is written under a temporary name and renamed when complete. What has to
do with time and place is in its run record ([provenance](provenance.md)). Files of earlier versions have no `inputs` and no
`device`, and are read as they are. `sealed` says that the file ends in a digest of its bytes ([faults](faults.md)).

A face set has in addition `image_height`, `image_width`, `codec` (jpeg | png | raw), `colour` (RGB), `alignment`,
`source`, `licence` and `count`. `images/data` is contiguous and uncompressed, so that any program can map it into memory
at the dataset's offset. Model weights are safetensors files with the same provenance in their metadata.

"""
RERUNS = """\
# What runs again after an edit

Made by `make docs` from the fingerprints of the stages; a test edits every module and compares. Of a module, a stage
depends on the functions, classes and constants that it reaches, on where their imports come from, and on what the module
does when it is imported, not on their neighbours. Comments, docstrings, annotations of functions, layout, what is logged
or said in an error, meanings of datasets and descriptions of settings are in no fingerprint; of settings, Snakemake
compares the values, without those that are switched off by default. What is found by name (a head, a backbone, a method,
an operator, a reader, a label format, a layout, a figure) is in the fingerprint of the stages whose entry names it; what reads a model
file depends on who made it, and so on its code. Trusted to change no result, whatever is written in them, are `workflow`,
`errors`, `compute.progress`, `compute.tracking`, `storage.provenance`, `generator.cost` and `recognizer.memory`; of other packages, their
versions (the lock file) are yours to watch.

Of your own files, the time of change counts; of a folder of up to 50,000 files also each file's name, size and time, so
that a photograph overwritten in place is imported again. In a larger folder that is not seen, only what comes or goes.

An edit whose output is the same to the byte does not stop there: Snakemake decides what runs before the first job
starts, and compares checksums of inputs (up to 1 MB) only then. A digest beside each artifact would stop the *next* run,
not this one, and two runs that disagree on what is up to date are worse than one that does a little too much.

| module | after an edit of what it is reached for | only where it is named |
|---|---|---|
"""


def pages() -> dict[str, str]:
    """File name in docs/ → content."""
    schema = json.dumps(Config.model_json_schema(), indent=1, ensure_ascii=False)
    return {
        "configuration.md": _configuration(),
        "config.schema.json": f"{schema}\n",
        "artifacts.md": _artifacts(),
        "reruns.md": _reruns(),
    }


def _configuration() -> str:
    lines = CONFIGURATION.splitlines()
    for section, field in Config.model_fields.items():
        lines += [f"## `{section}`", "", str(field.description), ""]
        for model in _models(field.annotation):
            key = next((key for key in ("source", "method") if key in model.model_fields), "")
            value = typing.get_args(model.model_fields[key].annotation)[0] if key else ""
            title = f"`{key}: {value}`" if key else f"`{model.__name__}`"
            lines += [
                f"### {title}",
                "",
                " ".join((model.__doc__ or "").split()),
                "",
                "| key | type | default | meaning |",
                "|---|---|---|---|",
            ]
            for name, item in model.model_fields.items():
                if name != key:
                    default = "required" if item.default is PydanticUndefined else f"`{_plain(item.default)}`"
                    lines.append(
                        f"| `{item.alias or name}` | {_type(item.annotation)} | {default} | {item.description} |"
                    )
            lines.append("")
            if model is Recognizer:
                lines += _recipes("recipe", RECIPES)
        if section == "generators":
            lines += _recipes("network", {name: (size.source, size.recipe) for name, size in SIZES.items()})
    return "\n".join(lines)


def _recipes(key: str, recipes: dict[str, tuple[str, dict]]) -> list[str]:
    base = next(name for name, (_, values) in recipes.items() if not values)
    lines = [
        f"The values that `{key}` stands for, where they differ from those of `{base}`:",
        "",
        f"| `{key}` | source | values |",
        "|---|---|---|",
    ]
    for name, (source, values) in recipes.items():
        given = ", ".join(f"`{key}: {_plain(value)}`" for key, value in values.items())
        lines.append(f"| `{name}` | {source} | {given or 'the defaults above'} |")
    return [*lines, ""]


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models in a type, those they hold included, each once."""
    models: list[type[BaseModel]] = []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        models.append(annotation)
        for field in annotation.model_fields.values():
            models += _models(field.annotation)
    for argument in typing.get_args(annotation):
        models += _models(argument)
    return list(dict.fromkeys(models))


def _plain(value: object) -> str:
    return json.dumps(value.model_dump(mode="json") if isinstance(value, BaseModel) else value, ensure_ascii=False)


def _type(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if arguments:
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true \\| false"}.get(
        annotation.__name__, f"`{annotation.__name__}`"
    )


def _artifacts() -> str:
    lines = ARTIFACTS.splitlines()
    for schema in schemas.all_schemas():
        lines += [f"## {schema.kind}", "", "| dataset | type | shape | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {item.dtype} | [{item.shape}] | {item.meaning} |" for name, item in schema.datasets.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _reruns() -> str:
    lines = RERUNS.splitlines()
    for module, (always, naming) in stages_after_edit().items():
        cells = (", ".join(f"`{stage}`" for stage in stages) for stages in (always, naming))
        lines.append(f"| `{module.removeprefix('semihard.')}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    if not DOCS.is_dir():
        sys.exit(f"{DOCS}: not found; the reference pages are written in a checkout")
    for name, content in pages().items():
        (DOCS / name).write_text(content, encoding="utf-8")

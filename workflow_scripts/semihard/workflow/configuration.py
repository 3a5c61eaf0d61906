"""From YAML to a checked `Config`: duplicate keys, sweeps, and every mistake told in one line.

A line names the path in the YAML, the value that was found and what was expected.
"""

import difflib
import itertools
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import ValidationError

from semihard.errors import InputError
from semihard.settings.base import Settings
from semihard.workflow.settings import Config

SECTIONS = ("facesets", "embedders", "generators", "recognizers", "benchmarks", "attribute_classifiers")


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is a mistake, not a silent choice of the later one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise InputError(
                    f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}: {key!r} is given twice; "
                    "give each entry a name of its own"
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str) -> dict:
    """A configuration file as plain data. Raises InputError naming file and line where it is no YAML or gives a key twice."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            config = yaml.load(file, _UniqueKeys) or {}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: holds no keys and values; a study begins as config.yaml does")
    return config


def expand_sweeps(config: dict) -> tuple[dict, dict[str, list[str]]]:
    """Replace every entry that has a list where one value is expected by one entry per value.

    `cemi: {similarity: [0.0, 0.5]}` becomes `cemi-similarity0.0` and `cemi-similarity0.5`; several lists give every
    combination. Returns the configuration and, by the name of each sweep, the names it became.
    Raises InputError where an expanded name is taken.
    """
    expanded, sweeps = dict(config), {}
    for section in SECTIONS:
        entries = config.get(section)
        if not isinstance(entries, dict):
            continue
        out: dict = {}
        for name, entry in entries.items():
            given = entry.items() if isinstance(entry, dict) else ()
            swept = [key for key, value in given if isinstance(value, list) and _takes_one_value(section, key)]
            variants = [(name, entry)]
            if empty := [key for key in swept if not entry[key]]:
                raise InputError(f"{section}.{name}.{empty[0]}: this sweep is empty; give it values")
            if twice := [key for key in swept if len({str(value) for value in entry[key]}) < len(entry[key])]:
                raise InputError(f"{section}.{name}.{twice[0]}: this sweep has a value twice")
            if swept:
                combinations = list(itertools.product(*(entry[key] for key in swept)))
                variants = [
                    (
                        "-".join([name, *(f"{key}{value}" for key, value in zip(swept, values, strict=True))]),
                        entry | dict(zip(swept, values, strict=True)),
                    )
                    for values in combinations
                ]
                sweeps[name] = [variant for variant, _ in variants]
            for variant, values in variants:
                if variant in out:
                    raise InputError(
                        f"{section}.{variant}: two entries have this name (one of them from the sweep {name!r}); rename one"
                    )
                out[variant] = values
        expanded[section] = out
    return expanded, sweeps


def _takes_one_value(section: str, key: str) -> bool:
    """True for a key of `section`'s entries that is not a list by itself; an unknown one is left for `check`."""
    fields = [
        field
        for model in _models_of(section)
        for name, field in model.model_fields.items()
        if key in (name, field.alias)
    ]
    return bool(fields) and not any(_may_be_a_list(field.annotation) for field in fields)


def _may_be_a_list(annotation: object) -> bool:
    """True for a list, and for what may be one: a number for all channels, or one for each."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated or origin in (typing.Union, types.UnionType):
        return any(_may_be_a_list(argument) for argument in typing.get_args(annotation))
    return origin is tuple


def _models_of(section: str) -> list[type[Settings]]:
    """The models an entry of `section` can be of."""
    return _models_in(typing.get_args(Config.model_fields[section].annotation)[1])


def _models_in(annotation: object) -> list[type[Settings]]:
    """The models that an annotation names."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _models_in(typing.get_args(annotation)[0])
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return [annotation] if issubclass(annotation, Settings) else []
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def check(expanded: dict) -> Config:
    """The configuration as typed entries. Raises InputError with a line for every mistake."""
    try:
        return Config.model_validate(expanded)
    except ValidationError as error:
        problems = error.errors()
        # of the two readings of a comparison (a name, or keys) only the one that was meant is worth a line
        meant = [item for item in problems if not (item["type"] == "string_type" and isinstance(item["input"], dict))]
        raise InputError("\n".join(_sentence(problem) for problem in meant or problems)) from None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known) or 'none'}"


def _sentence(problem: dict) -> str:
    """One pydantic error as one line: path in the YAML, what is wrong, the value."""
    location = [str(part) for part in problem["loc"]]
    if len(location) > 2 and location[0] in SECTIONS and location[0] != "recognizers":
        del location[2]  # pydantic names the kind of entry here; the YAML has no such level
    location = [part for part in location if part not in ("constrained-str", "Comparison", "Reference")]
    where = ".".join(location)
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: no such key{did_you_mean(location[-1], _keys_at(problem['loc']))}"
        case "literal_error":
            possible = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            return f"{where}: {problem['input']!r} is none of its values{did_you_mean(str(problem['input']), possible)}"
        case "missing":
            return f"{where}: is missing"
        case "union_tag_not_found":
            return f"{where}: has no 'source', which says where it comes from (docs/configuration.md lists them)"
        case "union_tag_invalid":
            key = "method" if location[0] == "generators" else "source"
            return f"{where}.{key}: {problem['ctx']['tag']!r} is not one of {problem['ctx']['expected_tags']}"
        case "string_pattern_mismatch" if "A-Za-z" in problem["ctx"]["pattern"]:
            rule = "a name has letters, digits, '_', '.' and '-', and begins with one of the first three"
            return f"{where}: {rule}; found {problem['input']!r}"
    message = problem["msg"].removeprefix("Value error, ").replace("tuple", "list").replace("Tuple", "List")
    message = re.sub(r" or (object to extract fields from|instance of \w+)", "", message)
    and_value = (
        "" if isinstance(problem["input"], dict) else f"; found {problem['input']!r}"
    )  # a whole entry says nothing
    return f"{where}: {message}{and_value}"


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    """The keys that were possible where an unknown one was found."""
    kinds, is_name = [Config], False
    for part in location[:-1]:
        if is_name or isinstance(part, int):  # the name of an entry, or a place in a list
            is_name = False
            continue
        fields = [kind.model_fields[part] for kind in kinds if part in kind.model_fields]
        is_name = kinds == [Config] and part in SECTIONS
        tagged = [kind for kind in kinds if kind.__name__ == part or part in _tags(kind)]
        kinds = [model for field in fields for model in _models_in(field.annotation)] or tagged or kinds
    return [field.alias or name for kind in kinds for name, field in kind.model_fields.items()]


def _tags(kind: type[Settings]) -> tuple[str, ...]:
    """The values of `source` or `method` that choose a model."""
    for key in ("source", "method"):
        if key in kind.model_fields:
            return typing.get_args(kind.model_fields[key].annotation)
    return ()

"""Which entries of a configuration name which others: found in the types of their knobs, checked, and followed."""

import typing
from collections.abc import Callable, Iterator

from semihard.errors import InputError
from semihard.settings.base import Names, Settings

Node = tuple[str, str]  # section and name of an entry; ("study", "") is the study


def named_by(entry: Settings, field: str = "") -> Iterator[tuple[str, str, str]]:
    """(field, section, name) of every entry that the knobs of `entry`, and of what they hold, name."""
    for key, value in entry:
        annotation = type(entry).model_fields[key]
        section = section_of([annotation.annotation, *annotation.metadata])
        where = f"{field}.{key}" if field else key
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Settings):
                yield from (
                    (where if isinstance(value, tuple) else inner, *rest) for inner, *rest in named_by(item, where)
                )
            elif section and isinstance(item, str):
                yield where, section, item


def section_of(annotations: list) -> str | None:
    """The section whose entries a type names, None where it names none."""
    for annotation in annotations:
        if isinstance(annotation, Names):
            return annotation.section
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            continue
        if section := section_of([*typing.get_args(annotation), *getattr(annotation, "__metadata__", ())]):
            return section
    return None


def walk(start: Node, named: Callable[[Node], list[tuple[str, str, str]]]) -> set[Node]:
    """Every entry that `start` needs, itself left out. Raises InputError where definitions go round in a circle.

    named: gives what an entry names, as `named_by` does.
    """
    done: set[Node] = set()

    def visit(node: Node, path: list[Node]) -> None:
        if node in path:
            steps = [*path[path.index(node) :], node]
            circle = " → ".join(".".join(part for part in step if part) for step in steps)
            raise InputError(f"these entries define each other in a circle: {circle}")
        if node not in done:
            for _, section, name in named(node):
                visit((section, name), [*path, node])
            done.add(node)

    visit(start, [])
    return done - {start}

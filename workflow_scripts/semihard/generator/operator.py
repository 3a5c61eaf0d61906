"""What an operator is: a knob of a synthetic face set that changes the conditions of its images."""

from dataclasses import dataclass

from semihard.settings.base import FaceSetSettings


@dataclass(frozen=True)
class Operator:
    """Marks a knob of SyntheticFaces that changes the conditions of images: the file of its name in generator/operators
    does it, in the order of the knobs. another_identity: it needs a second identity."""

    another_identity: bool = False


def operators(entry: FaceSetSettings) -> dict[str, Operator]:
    """The operators that a face set asks for, by name, in the order in which they act."""
    marked = {
        name: mark
        for name, field in type(entry).model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Operator)
    }
    given = {name: getattr(entry, name) for name in marked}
    return {name: marked[name] for name, value in given.items() if value is not None and value is not False}

"""What a face set is held against in the leakage audit, and what may not be."""

from collections.abc import Iterable

from semihard.audit.settings import LeakageAudit
from semihard.errors import InputError
from semihard.workflow.settings import Config


def leakage_references(config: Config, faceset: str, leakage: LeakageAudit) -> dict[str, str]:
    """The references of a face set by name, and the role of each: the training set of its generator, its inquiries' face set,
    then those of the study under their own names."""
    entry = config.facesets[faceset]
    inquiries, generator = getattr(entry, "inquiries", None), getattr(entry, "generator", None)
    roles = {inquiries: "inquiries"} if inquiries else {}
    if generator:
        trained_on = config.generators[generator].trained_on
        roles = {trained_on: "training set"} | {name: role for name, role in roles.items() if name != trained_on}
    return roles | {name: name for name in leakage.references if name not in roles}


def check_references(faceset: str, references: Iterable[str], unrelated: str | None) -> None:
    """Raise InputError where a face set is its own reference in the leakage audit, or the null's people are in either."""
    if faceset in references:
        raise InputError(
            f"study.leakage: {faceset!r} audited against itself, where the nearest image is the image itself; near-duplicates "
            "inside a set are measured by duplicates"
        )
    if unrelated is not None and (faceset == unrelated or unrelated in references):
        raise InputError(
            f"study.leakage.unrelated: {unrelated!r} is what {faceset!r} is audited as or against; the null is of people who are "
            "in neither"
        )

"""A figure by its name in workflow.figures."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path


def draw_figure(
    draws: str,
    inputs: Mapping[str, Path | str | Sequence[Path | str]],
    picture: Path | str,
    table: Path | str,
    labels: Sequence[str] | None = None,
    **settings: object,
) -> None:
    """Call "module:function" of this package with its inputs in their order, the files it writes, and its settings.

    labels: of the files of the one input, a list, which the function takes as a dictionary by label.
    """
    module, function = draws.split(":")
    given = list(inputs.values())
    if labels is not None:
        given = [dict(zip(labels, *given, strict=True))]
    getattr(import_module(f"{__package__}.{module}"), function)(*given, picture, table, **settings)

"""Which stages run again after an edit, module by module: what docs/reruns.md says, from what fingerprints see."""

from semihard.settings.registry import LIBRARY
from semihard.workflow.code_entries import possible
from semihard.workflow.figures import FIGURES
from semihard.workflow.fingerprint import SCRIPTS, reached_by
from semihard.workflow.module_code import Module


def stages_after_edit() -> dict[str, tuple[list[str], list[str]]]:
    """Module → the stages that run again after an edit of what they reach of it: always, and only those that name it."""
    always: dict[str, set[str]] = {module: set() for module in modules()}
    naming: dict[str, set[str]] = {module: set() for module in always}
    for script in scripts():
        own = modules_reached(script)
        for module in own & set(always):
            always[module].add(script)
        for choice in entries_of(script):
            for module in (modules_reached(script, choice) - own) & set(always):
                naming[module].add(script)
    return {module: (sorted(always[module]), sorted(naming[module])) for module in always}


def modules_reached(script: str, *entries: str) -> set[str]:
    """The modules of the library that enter a fingerprint."""
    return {module for module, _ in reached_by(f"{script}.py", *entries)}


def entries_of(script: str) -> list[str]:
    """Everything that a script may find by name."""
    if script == "plot_figure":
        return [f"semihard.figures.{figure.draws}" for figure in FIGURES]
    return [entry for entry in possible(script) if is_there(entry)]


def is_there(entry: str) -> bool:
    """True but for a function that a method does not need."""
    module, _, name = entry.partition(":")
    return not module.endswith(".method") or Module.of(module, SCRIPTS).has(name)


def scripts() -> list[str]:
    """The stages: a script each."""
    return sorted(path.stem for path in SCRIPTS.glob("*.py"))


def modules() -> list[str]:
    """Every module of the library, by its full name."""
    paths = sorted(path.relative_to(LIBRARY.parent) for path in LIBRARY.rglob("*.py"))
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]

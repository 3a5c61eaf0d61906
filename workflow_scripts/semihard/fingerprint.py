"""The fingerprint of a stage's code: what its script does, through every module of this library that it imports.

Snakemake looks only at the modification time of the script file. This looks at what is written: an edit of a module
changes the fingerprint of exactly the scripts that import it, while comments, docstrings, formatting and a fresh clone
change nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent
PACKAGE = Path(__file__).parent.name

# Modules that cannot change a result: they log, they carry attributes, or their effect is in the tracked settings.
RESULT_NEUTRAL = frozenset(
    f"{PACKAGE}.{name}"
    for name in ("configuration", "errors", "fingerprint", "job", "progress", "provenance", "settings", "study")
)


def fingerprint(script: str, scripts: Path = SCRIPTS) -> str:
    """16 hexadecimal digits for the code of `script` (a file name in `workflow_scripts/`) and all it imports from here."""
    seen: set[Path] = set()
    waiting = [scripts / script]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _read(path, scripts)[1]
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(f"{path.relative_to(scripts)}\0{_read(path, scripts)[0]}\0".encode())
    return digest.hexdigest()[:16]


@cache
def _read(path: Path, scripts: Path) -> tuple[str, list[Path]]:
    """The code of a file without comments, docstrings and layout, and the files of this library that it imports."""
    tree = ast.parse(path.read_text(), path)
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    imported = {parent for module in modules if module.split(".")[0] == PACKAGE for parent in _parents(module)}
    files = [file for module in sorted(imported - RESULT_NEUTRAL) if (file := _file_of(module, scripts))]
    return ast.unparse(tree), files


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _file_of(module: str, scripts: Path) -> Path | None:
    base = scripts.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None

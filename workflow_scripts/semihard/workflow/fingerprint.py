"""The fingerprint of a stage's code: what its script does, through every definition of this library that it reaches.

Snakemake looks only at the modification time of the script file. This looks at what is written, definition by
definition: a function, class or constant enters where the script, or something that it reaches, names it, and so does the
import of what comes from elsewhere; what a module does when it is imported enters with the module. What cannot change a
result is left out: comments, docstrings, layout, annotations of functions, what is logged or said in an error, the
meaning of a dataset, settings (Snakemake compares their values), and the modules of `RESULT_NEUTRAL`.
"""

import hashlib
from pathlib import Path

from semihard.workflow.module_code import NAMES, Module, Part

SCRIPTS = Path(__file__).parents[2]


def fingerprint(script: str, *entries: str, scripts: Path = SCRIPTS) -> str:
    """16 hexadecimal digits for the code of `script`, a file name in `workflow_scripts/`, and all it reaches from there.

    entries: modules that the script finds by name (settings.registry), as "package.module", or "package.module:name"
    where only that definition, or only that one of the module's NAMES, counts. Raises InputError where one is not there.
    """
    parts = reached_by(script, *entries, scripts=scripts)
    digest = hashlib.sha256()
    for key in sorted(parts):
        digest.update("\0".join((*key, parts[key].code, "")).encode())
    return digest.hexdigest()[:16]


def reached_by(script: str, *entries: str, scripts: Path = SCRIPTS) -> dict[tuple[str, str], Part]:
    """Everything that enters the fingerprint, by module and name."""
    whole = Module.of(script, scripts).whole
    parts = {whole.key: whole}
    for entry in entries:
        module, _, name = entry.partition(":")
        found = Module.of(module, scripts)
        if name and not found.has(NAMES):
            found.require(name)
        parts |= {part.key: part for part in found.everything(name)}
    reduced = {(module, NAMES) for module, name in parts if name.startswith(f"{NAMES}:")}
    waiting = list(parts.values())
    while waiting:
        for part in waiting.pop().reached:
            if part.key not in parts and part.key not in reduced:
                parts[part.key] = part
                waiting.append(part)
    return parts

"""The fingerprint of a stage's code: what its script does, through every definition of this library that it reaches.

Snakemake looks only at the modification time of the script file. This looks at what is written, definition by
definition: a function, class or constant enters where the script, or something that it reaches, names it. What cannot
change a result is left out: comments, docstrings, layout, annotations, what is logged or said in an error, the meaning
of a dataset, settings (Snakemake compares their values), and the modules of `RESULT_NEUTRAL`.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

from semihard.settings.registry import parse
from semihard.workflow.stripped_code import Stripper, is_text

SCRIPTS = Path(__file__).parents[2]
PACKAGE = Path(__file__).parents[1].name

# Modules and packages that cannot change a result: they check, plan, log, or carry attributes.
RESULT_NEUTRAL = tuple(
    f"{PACKAGE}.{name}"
    for name in ("workflow", "errors", "compute.progress", "storage.provenance", "generator.cost", "recognizer.memory")
)
SETTINGS = (f"{PACKAGE}.settings.base", "Settings")
NAMES = "NAMES"  # of a module of a registry: what it is called in a configuration


def fingerprint(script: str, *entries: str, scripts: Path = SCRIPTS) -> str:
    """16 hexadecimal digits for the code of `script`, a file name in `workflow_scripts/`, and all it reaches from there.

    entries: modules that the script finds by name (settings.registry), as "package.module", or "package.module:name"
    where only that definition, or only that one of the module's NAMES, counts.
    """
    parts = reached_by(script, *entries, scripts=scripts)
    digest = hashlib.sha256()
    for key in sorted(parts):
        digest.update("\0".join((*key, parts[key].code, "")).encode())
    return digest.hexdigest()[:16]


def reached_by(script: str, *entries: str, scripts: Path = SCRIPTS) -> dict[tuple[str, str], "Part"]:
    """Everything that enters the fingerprint, by module and name."""
    whole = Module.of(script, scripts).whole
    parts = {whole.key: whole}
    for entry in entries:
        module, _, name = entry.partition(":")
        parts |= {part.key: part for part in Module.of(module, scripts).everything(name)}
    reduced = {(module, NAMES) for module, name in parts if name.startswith(f"{NAMES}:")}
    waiting = list(parts.values())
    while waiting:
        for part in waiting.pop().reached:
            if part.key not in parts and part.key not in reduced:
                parts[part.key] = part
                waiting.append(part)
    return parts


class Part:
    """A definition of a module, or what it does when it is imported. key: module and name."""

    def __init__(self, module: "Module", name: str, statements: list[ast.stmt]):
        self.module, self.key, self._statements = module, (module.name, name), statements

    @cached_property
    def _stripped(self) -> list[ast.stmt]:
        return [Stripper().visit(statement) for statement in self._statements]

    @property
    def is_settings(self) -> bool:
        """True for a pydantic model of settings: Snakemake compares its values, and it computes nothing."""
        return any(isinstance(node, ast.ClassDef) and self.module.is_settings(node) for node in self._statements)

    @cached_property
    def code(self) -> str:
        """What is written, without what cannot change a result."""
        return "\n".join(map(ast.unparse, self._stripped))

    @cached_property
    def reached(self) -> list["Part"]:
        """The parts that this one names, and what importing its module runs."""
        parts = list(self.module.imported_effects)
        for name, attribute in named(self._stripped):
            parts += self.module.resolve(name, attribute)
        return parts


class Module:
    """A file of this library, or a script, as the definitions in it."""

    def __init__(self, name: str, scripts: Path):
        self.name, self.scripts = name, scripts
        path = file_of(name, scripts)
        tree = parse(path)
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.modules: set[str] = set()
        for node in ast.walk(tree):
            self._note_import(node)
        self._definitions: dict[str, list[ast.stmt]] = {}
        effects = []
        for statement in tree.body:
            names = defined(statement)
            for defined_name in names:
                self._definitions.setdefault(defined_name, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom) and not is_text(statement):
                effects.append(statement)
        self.effects = Part(self, "", effects)
        self.whole = Part(self, "", [node for node in tree.body if not is_text(node)])
        self._parts: dict[str, Part] = {}

    @classmethod
    def of(cls, name: str, scripts: Path) -> "Module":
        """The module of this name, read once."""
        return read_module(name, scripts)

    def _note_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if own(alias.name):
                    self.modules.add(alias.name)
                    self.imports[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0],
                        None,
                    )
        elif isinstance(node, ast.ImportFrom) and node.module and own(node.module):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = file_of(inner, self.scripts) is not None
                self.modules.add(inner if is_module else node.module)
                target = (inner, None) if is_module else (node.module, alias.name)
                self.imports[alias.asname or alias.name] = target

    @cached_property
    def imported_effects(self) -> list[Part]:
        """What runs when this module is imported, in it and in what it imports."""
        seen: set[str] = set()
        waiting = [self.name]
        while waiting:
            name = waiting.pop()
            if name not in seen and not neutral(name) and file_of(name, self.scripts):
                seen.add(name)
                waiting += [*Module.of(name, self.scripts).modules, *([] if name.endswith(".py") else parents(name))]
        effects = (Module.of(name, self.scripts).effects for name in sorted(seen))
        return [part for part in effects if part.key[0] != self.name and part._statements]

    def part(self, name: str) -> Part | None:
        """The definition of `name`, None where it is not defined here."""
        if name not in self._parts and name in self._definitions:
            self._parts[name] = Part(self, name, self._definitions[name])
        return self._parts.get(name)

    def everything(self, name: str = "") -> list[Part]:
        """All definitions; with a name, that one, or where it is one of NAMES, all with NAMES reduced to it."""
        if name and (named_here := self.resolve(name, None)):
            return named_here
        parts = [self.part(definition) for definition in self._definitions if definition != NAMES or not name]
        if name and NAMES in self._definitions:
            parts.append(Part(self, f"{NAMES}:{name}", [entry_of(self._definitions[NAMES][0], name)]))
        return [*parts, self.effects]

    def resolve(self, name: str, attribute: str | None) -> list[Part]:
        """The parts that `name`, or `name.attribute`, stands for in this module; none for what is not this library's."""
        if part := self.part(name):
            return [] if part.is_settings else [part]
        module, inner = self.imports.get(name, (None, None))
        if module is None or neutral(module):
            return []
        target = Module.of(module, self.scripts)
        if inner is not None:
            return target.resolve(inner, attribute)
        if attribute is None:
            return target.everything()
        if file_of(f"{module}.{attribute}", self.scripts):
            return Module.of(f"{module}.{attribute}", self.scripts).everything()
        return target.resolve(attribute, None)

    def is_settings(self, node: ast.ClassDef) -> bool:
        """True where a class is a pydantic model of settings."""
        return any(isinstance(base, ast.Name) and self._leads_to_settings(base.id) for base in node.bases)

    def _leads_to_settings(self, name: str) -> bool:
        if (self.name, name) == SETTINGS:
            return True
        for statement in self._definitions.get(name, ()):
            return isinstance(statement, ast.ClassDef) and self.is_settings(statement)
        module, inner = self.imports.get(name, (None, None))
        return inner is not None and Module.of(module, self.scripts)._leads_to_settings(inner)


def named(statements: Iterable[ast.AST]) -> Iterator[tuple[str, str | None]]:
    """The names that are read, each with the attribute that is taken of it, or None."""
    names: set[tuple[str, str | None]] = set()

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add((node.value.id, node.attr))
        elif isinstance(node, ast.Name):
            names.add((node.id, None))
        else:
            for child in ast.iter_child_nodes(node):
                look(child)

    for statement in statements:
        look(statement)
    return iter(sorted(names, key=str))


def defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; none where it does something else."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    flat = [item for target in targets for item in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [item.id for item in flat] if all(isinstance(item, ast.Name) for item in flat) else []


def entry_of(statement: ast.stmt, name: str) -> ast.stmt:
    """The assignment of a dictionary or a tuple of names, reduced to one of them."""
    value = statement.value
    if not isinstance(value, ast.Dict):
        return ast.Expr(ast.Constant(name))
    kept = [(key, item) for key, item in zip(value.keys, value.values, strict=True) if ast.literal_eval(key) == name]
    return ast.Expr(ast.Dict([key for key, _ in kept], [item for _, item in kept]))


def own(module: str) -> bool:
    """True for this library's modules."""
    return module.split(".")[0] == PACKAGE


def neutral(module: str) -> bool:
    """True for a module that cannot change a result."""
    return any(module == name or module.startswith(f"{name}.") for name in RESULT_NEUTRAL)


def parents(module: str) -> list[str]:
    """The packages that a module lies in."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


@cache
def file_of(name: str, scripts: Path) -> Path | None:
    """The file of a module or script, None where there is none."""
    base = scripts / name if name.endswith(".py") else scripts.joinpath(*name.split("."))
    for candidate in (base, base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def read_module(name: str, scripts: Path) -> Module:
    return Module(name, scripts)

"""A module of this library as its definitions, what each of them names, and what importing it does."""

import ast
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path

from semihard.errors import InputError
from semihard.settings.registry import parse
from semihard.workflow.purity import has_effect, is_text, nodes_of
from semihard.workflow.stripped_code import Stripper, plain

PACKAGE = Path(__file__).parents[1].name
# Modules and packages that are trusted not to change a result: they check, plan, log, or carry attributes.
NEUTRAL = ("workflow", "errors", "compute.progress", "compute.tracking", "compute.orphan", "storage.lock")
NEUTRAL += ("storage.provenance", "generator.cost")
RESULT_NEUTRAL = tuple(f"{PACKAGE}.{name}" for name in (*NEUTRAL, "recognizer.memory"))
SETTINGS = (f"{PACKAGE}.settings.base", "Settings")
NAMES = "NAMES"  # of a module of a registry: what it is called in a configuration
EVERYTHING = {"globals", "eval", "exec", "locals"}  # what reads these may read any name


class Part:
    """A definition of a module, an import, or what the module does when it is imported. key: module and name."""

    def __init__(self, module: "Module", name: str, statements: list[ast.stmt]):
        self.module, self.key, self._statements = module, (module.name, name), statements

    @cached_property
    def _stripped(self) -> list[ast.stmt]:
        stripper = Stripper(self.module.origin)
        return [stripper.visit(plain(statement)) for statement in self._statements]

    @property
    def is_empty(self) -> bool:
        """True where there is nothing in it."""
        return not self._statements

    @property
    def is_settings(self) -> bool:
        """True for a pydantic model of settings: Snakemake compares its values, and it computes nothing."""
        return any(isinstance(node, ast.ClassDef) and self.module.is_settings(node) for node in self._statements)

    @cached_property
    def code(self) -> str:
        """What is written, without what cannot change a result."""
        return "\n".join(map(ast.unparse, self._stripped))

    @cached_property
    def _names(self) -> list[tuple[str, str | None]]:
        return named(self._stripped)

    @cached_property
    def reached(self) -> list["Part"]:
        """The parts that this one names, and what importing its module runs."""
        parts = list(self.module.imported_effects)
        for name, attribute in self._names:
            parts += self.module.everything() if name in EVERYTHING else self.module.resolve(name, attribute)
        return parts


class Module:
    """A file of this library, or a script. Raises InputError where it imports from this library in a way that is not
    followed, or is no Python."""

    def __init__(self, name: str, scripts: Path):
        self.name, self.scripts = name, scripts
        path = file_of(name, scripts)
        if path is None and name.endswith(".py"):
            raise InputError(f"{scripts / name}: not found; the code of a stage is read from the scripts of a checkout")
        if path is None:
            raise InputError(
                f"{scripts.joinpath(*name.split('.'))}.py: not found, though something is to be found in it"
            )
        tree = parse(path)
        self.imports: dict[str, list[tuple[str, str | None]]] = {}
        self.foreign: dict[str, list[ast.stmt]] = {}
        self.modules: set[str] = set()
        read: set[str] = set()
        for node in nodes_of(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._note_import(node, path)
            elif isinstance(node, ast.Name):
                read.add(node.id)
        self._definitions: dict[str, list[ast.stmt]] = {}
        effects: list[ast.stmt] = []
        for statement in tree.body:
            names = defined(statement)
            for definition in names:
                self._definitions.setdefault(definition, []).append(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom) or is_text(statement):
                continue
            if not names or has_effect(statement, self._is_plain_class):
                effects.append(statement)
        unread = [statement for name, found in self.foreign.items() if name not in read for statement in found]
        self.effects = Part(self, "", [*unread, *effects])
        self.whole = Part(self, "", [node for node in tree.body if not is_text(node)])
        self._parts: dict[str, Part] = {}

    @classmethod
    def of(cls, name: str, scripts: Path) -> "Module":
        """The module of this name, read once."""
        return read_module(name, scripts)

    def _note_import(self, node: ast.Import | ast.ImportFrom, path: Path) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                target, inner, bound = alias.name, None, alias.asname or alias.name.split(".")[0]
            else:
                target, inner, bound = node.module or "", alias.name, alias.asname or alias.name
            if not own(target) and not getattr(node, "level", 0):
                statement = ast.Import([alias]) if inner is None else ast.ImportFrom(target, [alias], 0)
                self.foreign.setdefault(bound, []).append(statement)
                continue
            if getattr(node, "level", 0) or inner == "*" or (inner is None and "." in target and not alias.asname):
                raise InputError(
                    f"{path}, line {node.lineno}: `{ast.unparse(node)}`: write `from {PACKAGE}.… import …`, names one by one: "
                    "other imports of this library are not followed, so a change behind them would rerun nothing"
                )
            if inner is not None and file_of(f"{target}.{inner}", self.scripts):
                target, inner = f"{target}.{inner}", None
            self.modules.add(target)
            self.imports.setdefault(bound, []).append((target, inner))

    def origin(self, name: str) -> str:
        """Where a name comes from: its full name where it is imported, what is called where it is what a call gave."""
        for target, inner in self.imports.get(name, ()):
            return ".".join(filter(None, (target, inner)))
        for statement in self.foreign.get(name, ()):
            source = getattr(statement, "module", None)
            return ".".join(filter(None, (source, statement.names[0].name)))
        for statement in self._definitions.get(name, ()):
            value = getattr(statement, "value", None)
            return ast.unparse(value.func) if isinstance(value, ast.Call) else f"{self.name}.{name}"
        return ""

    def _is_plain_class(self, name: str) -> bool:
        """True for a dataclass whose making does nothing but keep its values."""
        for statement in self._definitions.get(name, ()):
            if not isinstance(statement, ast.ClassDef):
                return False
            written = [
                ast.unparse(item.func if isinstance(item, ast.Call) else item) for item in statement.decorator_list
            ]
            methods = {item.name for item in statement.body if isinstance(item, ast.FunctionDef)}
            return written == ["dataclass"] and not methods & {"__init__", "__new__", "__post_init__"}
        for target, inner in self.imports.get(name, ()):
            return inner is not None and Module.of(target, self.scripts)._is_plain_class(inner)
        return False

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
        return [part for part in effects if part.key[0] != self.name and not part.is_empty]

    def part(self, name: str) -> Part | None:
        """The definition of `name`, None where it is not defined here."""
        if name not in self._parts and name in self._definitions:
            self._parts[name] = Part(self, name, self._definitions[name])
        return self._parts.get(name)

    def everything(self, name: str = "") -> list[Part]:
        """All definitions; with a name, what it stands for, or where it is one of NAMES, all with NAMES reduced to it.

        What the module does when it is imported comes with either.
        """
        if name and (named_here := self.resolve(name, None)):
            return [*named_here, self.effects]
        parts = [self.part(definition) for definition in self._definitions if definition != NAMES or not name]
        if name and NAMES in self._definitions:
            parts.append(Part(self, f"{NAMES}:{name}", [entry_of(self._definitions[NAMES][0], name)]))
        return [*parts, self.effects]

    def has(self, name: str) -> bool:
        """True where `name` is defined here or imported."""
        return name in self._definitions or name in self.imports or name in self.foreign

    def require(self, name: str) -> None:
        """Raises InputError unless the module has `name`."""
        if not self.has(name):
            path = file_of(self.name, self.scripts)
            raise InputError(f"{path}: has no {name!r}; docs/extending.md says what it is to have")

    def resolve(self, name: str, attribute: str | None) -> list[Part]:
        """The parts that `name`, or `name.attribute`, stands for in this module; none for what is built in."""
        parts = [part for part in [self.part(name)] if part and not part.is_settings]
        if name in self.foreign:
            parts.append(Part(self, f"import {name}", self.foreign[name]))
        for module, inner in self.imports.get(name, ()):
            if neutral(module):
                continue
            target = Module.of(module, self.scripts)
            if inner is not None:
                parts += target.resolve(inner, attribute)
            elif attribute is None:
                parts += target.everything()
            elif file_of(f"{module}.{attribute}", self.scripts):
                parts += Module.of(f"{module}.{attribute}", self.scripts).everything()
            else:
                parts += target.resolve(attribute, None)
        if not parts and (of_module := self.part("__getattr__")):
            return [of_module]
        return parts

    def is_settings(self, node: ast.ClassDef) -> bool:
        """True where a class is a pydantic model of settings."""
        return any(isinstance(base, ast.Name) and self._leads_to_settings(base.id) for base in node.bases)

    def _leads_to_settings(self, name: str) -> bool:
        if (self.name, name) == SETTINGS:
            return True
        for statement in self._definitions.get(name, ()):
            return isinstance(statement, ast.ClassDef) and self.is_settings(statement)
        for target, inner in self.imports.get(name, ()):
            return inner is not None and Module.of(target, self.scripts)._leads_to_settings(inner)
        return False


def named(statements: Iterable[ast.AST]) -> list[tuple[str, str | None]]:
    """The names that are read, each with the attribute that is taken of it, or None."""
    names: set[tuple[str, str | None]] = set()
    owners: set[ast.AST] = set()  # names that are read only for an attribute
    for statement in statements:
        for node in nodes_of(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names.add((node.value.id, node.attr))
                owners.add(node.value)
            elif isinstance(node, ast.Name) and node not in owners:
                names.add((node.id, None))
    return sorted(names, key=str)


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
    """The assignment of a dictionary of names, reduced to one of them."""
    value = statement.value
    kept = [(key, item) for key, item in zip(value.keys, value.values, strict=True) if ast.literal_eval(key) == name]
    return ast.Expr(ast.Dict([key for key, _ in kept], [item for _, item in kept]))


def own(module: str) -> bool:
    """True for this library's modules."""
    return module.split(".")[0] == PACKAGE


@cache
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

"""Things that a configuration names, one module each: adding one is adding its file.

A folder of this library holds them; a module gives its own name, or those of its literal `NAMES`, a dictionary of what
each name stands for, and a folder its name. Names are read without importing anything.
"""

import ast
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from semihard.errors import InputError

LIBRARY = Path(__file__).parents[1]


@cache
def names_of(package: str, library: Path = LIBRARY) -> dict[str, str]:
    """Name → module or folder of everything in `package`, e.g. "recognizer.heads", in order of the file names.

    Raises InputError where a file is no Python, or two of them give the same name.
    """
    names: dict[str, str] = {}
    for path in sorted(library.joinpath(*package.split(".")).iterdir()):
        if path.name.startswith((".", "_")) or not (path.suffix == ".py" or (path / "__init__.py").is_file()):
            continue
        for name in names_in(path) if path.suffix == ".py" else [path.stem]:
            if name in names:
                raise InputError(
                    f"{path}: {name!r} is the name of {names[name]}.py in the same folder, too; give one another name"
                )
            names[name] = path.stem
    return names


def names_in(path: Path) -> dict[str, object]:
    """The names that a module gives, and what each stands for. Raises InputError where it is no Python."""
    for statement in parse(path).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["NAMES"]:
            return dict(ast.literal_eval(statement.value))
    return {path.stem: None}


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises InputError where it is no Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), path)
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.msg}") from None


def literal(package: str, name: str) -> object:
    """What `name` stands for in the NAMES of its module, read without importing it."""
    return names_in(LIBRARY.joinpath(*package.split("."), f"{names_of(package)[name]}.py"))[name]


def module_of(package: str, name: str, part: str = "") -> str:
    """The full name of the module, or of one in its folder, that gives `name`. Raises InputError where none does."""
    names = names_of(package)
    if name not in names:
        kind = package.rpartition(".")[2].removesuffix("s")
        raise InputError(f"{kind} {name!r} is not known; expected one of {', '.join(names)}")
    return ".".join(filter(None, (__package__.split(".")[0], package, names[name], part)))


def load(package: str, name: str, part: str = "") -> ModuleType:
    """That module, imported. Raises InputError where it is no Python."""
    try:
        return importlib.import_module(module_of(package, name, part))
    except SyntaxError as error:
        raise InputError(f"{error.filename}, line {error.lineno}: {error.msg}") from None


def entry(package: str, name: str, part: str = "") -> str:
    """What a fingerprint takes for it: the module and, where it gives several names, which."""
    module = module_of(package, name, part)
    return module if part or module.endswith(f".{name}") else f"{module}:{name}"


def class_of(module: ModuleType, base: type) -> type:
    """The one class derived from `base` that a module defines."""
    own = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__]
    derived = [item for item in own if issubclass(item, base)]
    if len(derived) != 1:
        raise InputError(
            f"{module.__file__}: defines {len(derived)} classes derived from {base.__name__}, expected one"
        )
    return derived[0]

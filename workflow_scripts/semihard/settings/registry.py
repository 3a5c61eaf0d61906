"""Things that a configuration names, one module each: adding one is adding its file.

A folder of this library holds them; a module gives its own name, or those of its literal `NAMES`, a dictionary of what
each name stands for, and a folder its name. Names are read without importing anything.
"""

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType

from semihard.errors import InputError

LIBRARY = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


@cache
def names_of(package: str, library: Path = LIBRARY) -> dict[str, str]:
    """Name → module or folder of everything in `package`, e.g. "recognizer.heads", in order of the file names.

    Raises InputError where a file is no Python, a folder no package, or two of them give the same name.
    """
    names: dict[str, str] = {}
    for path in sorted(library.joinpath(*package.split(".")).iterdir()):
        if path.name.startswith((".", "_")) or not (path.suffix == ".py" or is_package(path)):
            continue
        for name in names_in(path) if path.suffix == ".py" else [path.stem]:
            if name in names:
                raise InputError(
                    f"{path}: {name!r} is the name of {names[name]}.py in the same folder, too; give one another name"
                )
            names[name] = path.stem
    return names


def is_package(path: Path) -> bool:
    """True for a package. Raises InputError for a folder of Python files that is none."""
    if not path.is_dir() or not any(path.glob("*.py")):
        return False
    if not (path / "__init__.py").is_file():
        raise InputError(f"{path}: has no __init__.py, so Python finds nothing in it; add one, with a docstring")
    return True


def names_in(path: Path) -> dict[str, object]:
    """The names that a module gives, and what each stands for. Raises InputError where it is no Python, or they are not
    written as a literal dictionary of names."""
    if not path.stem.replace("-", "_").isidentifier():
        raise InputError(f"{path}: a module's name has letters, digits and '_' alone; rename the file")
    for statement in parse(path).body:
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if isinstance(statement, ast.Assign | ast.AnnAssign) and [ast.unparse(target) for target in targets] == [
            "NAMES"
        ]:
            try:
                names = ast.literal_eval(statement.value)
                if names and isinstance(names, dict) and all(isinstance(n, str) and NAME.fullmatch(n) for n in names):
                    return names
            except (ValueError, TypeError):
                pass
            raise InputError(
                f"{path}, line {statement.lineno}: NAMES is to be one literal dictionary, of names (letters, digits, '_', '.' "
                "and '-') and what each stands for; write it out"
            )
    return {path.stem: None}


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises InputError where it is no Python."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), path)
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # bytes that are no text
        raise InputError(f"{path}: is no Python file ({error})") from None


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
    """That module, imported. Raises InputError where it is no Python, or imports what is not there."""
    module = module_of(package, name, part)
    try:
        return importlib.import_module(module)
    except SyntaxError as error:
        raise InputError(f"{error.filename}, line {error.lineno}: {error.msg}") from None
    except ImportError as error:
        raise InputError(f"{module}: cannot be imported ({error})") from None


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

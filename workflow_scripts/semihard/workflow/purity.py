"""Which statements do nothing but define: leaving them out of a fingerprint where nobody reads what they define is safe."""

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator

# Calls that compute a value from their arguments and do nothing else, as they are written.
PURE_CALLS = {
    "abs", "all", "any", "bool", "bytes", "complex", "dict", "divmod", "enumerate", "float", "frozenset", "int",
    "isinstance", "issubclass", "len", "list", "map", "max", "min", "ord", "pow", "range", "repr", "reversed", "round",
    "set", "slice", "sorted", "str", "sum", "tuple", "type", "zip",
    "logging.getLogger", "re.compile", "struct.Struct", "struct.pack", "struct.calcsize", "str.maketrans", "Path",
    "np.array", "np.arange", "np.linspace", "np.dtype", "np.float32", "np.float64", "np.int64", "np.uint8",
    "torch.tensor", "torch.device", "h5py.string_dtype", "Field", "field", "ConfigDict", "Discriminator", "Tag", "names_of",
}  # fmt: skip
PURE_METHODS = {
    "astype", "capitalize", "copy", "encode", "format", "hex", "index", "is_dir", "is_file", "isdecimal", "item", "items",
    "join", "keys", "lower", "mean", "numel", "partition", "removeprefix", "removesuffix", "replace", "reshape",
    "rpartition", "split", "splitlines", "startswith", "std", "strip", "sum", "tolist", "total", "upper", "values",
}  # fmt: skip
PURE_DECORATORS = {
    "cache", "functools.cache", "lru_cache", "cached_property", "classmethod", "contextmanager", "dataclass", "functools.wraps",
    "property", "staticmethod", "torch.inference_mode", "torch.no_grad",
}  # fmt: skip
CONTROL = {"StopIteration", "SystemExit", "KeyboardInterrupt", "GeneratorExit"}  # whose arguments are read by code


def impure_calls(node: ast.AST, is_plain_class: Callable[[str], bool] = lambda name: False) -> list[ast.Call]:
    """The calls that run where `node` runs and might do more than compute a value."""

    def is_pure(call: ast.Call) -> bool:
        written = ast.unparse(call.func)
        if isinstance(call.func, ast.Attribute) and call.func.attr in PURE_METHODS:
            return True
        return written in PURE_CALLS or is_plain_class(written)

    return [inner for inner in running(node) if isinstance(inner, ast.Call) and not is_pure(inner)]


def running(node: ast.AST) -> Iterator[ast.AST]:
    """A node and what in it runs with it: not the bodies of functions and lambdas."""
    yield node
    if isinstance(node, ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        yield from running(child)


def has_effect(statement: ast.stmt, is_plain_class: Callable[[str], bool]) -> bool:
    """True for a definition that might do more than define, when its module is imported."""

    def does(nodes: Iterable[ast.AST | None]) -> bool:
        return any(node is not None and impure_calls(node, is_plain_class) for node in nodes)

    match statement:
        case ast.Assign() | ast.AnnAssign():
            return does([statement.value])
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return is_registered(statement) or does([*statement.args.defaults, *statement.args.kw_defaults])
        case ast.ClassDef():
            for item in statement.body:
                if isinstance(item, ast.Assign | ast.AnnAssign) and does([item.value]):
                    return True
                if not isinstance(item, (*DEFINITIONS, ast.Pass)) and not is_text(item):
                    return True
            return is_registered(statement)
    return False


DEFINITIONS = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_registered(statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """True where a decorator is none of those that only wrap: it may put what it decorates where others find it."""
    written = (ast.unparse(item.func if isinstance(item, ast.Call) else item) for item in statement.decorator_list)
    return any(name not in PURE_DECORATORS for name in written)


def is_text(statement: ast.stmt) -> bool:
    """True for a docstring, or for `...`."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and (isinstance(statement.value.value, str) or statement.value.value is ...)
    )


def says_only(exception: str) -> bool:
    """True for a built-in exception whose arguments are words."""
    kind = getattr(builtins, exception, None)
    return isinstance(kind, type) and issubclass(kind, BaseException) and exception not in CONTROL


def nodes_of(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree in the order in which they are written, each before those in it: ast.walk in half its time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in reversed(vars(node).values()):
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in reversed(value) if isinstance(item, ast.AST)]

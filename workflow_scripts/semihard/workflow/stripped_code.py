"""Code without what cannot change a result: docstrings, annotations, what is logged, what an error says, meanings."""

import ast
from collections.abc import Callable

from semihard.workflow.purity import impure_calls, is_registered, is_text, says_only

PACKAGE = __name__.partition(".")[0]
ERRORS, PROGRESS = f"{PACKAGE}.errors.", f"{PACKAGE}.compute.progress.progress"
LOGGERS = {"logging.getLogger", "logging", "warnings"}
TEXTS = {("Field", "description"), ("Dataset", "meaning")}  # keywords that are read by people only


class Stripper(ast.NodeTransformer):
    """Takes out of a statement what cannot change a result.

    origin: where a name of the module comes from, "semihard.errors.InputError" or "logging.getLogger" (what it is the
    value of), "" where that is not known. Text is left out only of calls that are known by their origin.
    """

    def __init__(self, origin: Callable[[str], str]):
        self.origin = origin

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        args = node.args if is_registered(node) else unannotated(node.args)  # single dispatch reads annotations
        bare = type(node)(
            name=node.name, args=args, body=without_text(node.body), decorator_list=node.decorator_list, returns=None,
            type_params=getattr(node, "type_params", []), lineno=node.lineno,
        )  # fmt: skip
        bare.body = [plain(statement) for statement in bare.body]
        return self.generic_visit(bare)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        bare = ast.ClassDef(
            name=node.name, bases=node.bases, keywords=node.keywords, body=without_text(node.body),
            decorator_list=node.decorator_list, type_params=getattr(node, "type_params", []), lineno=node.lineno,
        )  # fmt: skip
        return self.generic_visit(bare)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        exception = node.exc
        if isinstance(exception, ast.Call) and self._is_told(exception.func):
            exception = exception.func
        return self.generic_visit(ast.Raise(exc=exception, cause=node.cause if exception is node.exc else None))

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        function = call.func if isinstance(call, ast.Call) else None
        owner = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(owner, ast.Name) and self.origin(owner.id) in LOGGERS:
            done = [
                inner for part in [*call.args, *(item.value for item in call.keywords)] for inner in impure_calls(part)
            ]
            return self.generic_visit(ast.Expr(ast.Tuple(done, ast.Load()))) if done else ast.Pass()
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        arguments, keywords = node.args, node.keywords
        if isinstance(node.func, ast.Name):
            keywords = [item for item in keywords if (node.func.id, item.arg) not in TEXTS]
            if self.origin(node.func.id) == PROGRESS:
                arguments, keywords = [], []
            if self._is_told(node.func) and self.origin(node.func.id).startswith(ERRORS):
                arguments, keywords = [], []
        return self.generic_visit(ast.Call(func=node.func, args=arguments, keywords=keywords))

    def _is_told(self, exception: ast.expr) -> bool:
        if isinstance(exception, ast.Attribute) and isinstance(exception.value, ast.Name):  # pickle.UnpicklingError
            return exception.attr.endswith("Error") and not self.origin(exception.value.id).startswith(PACKAGE)
        if not isinstance(exception, ast.Name):
            return False
        origin = self.origin(exception.id)
        return origin.startswith(ERRORS) or (not origin and says_only(exception.id))


def unannotated(arguments: ast.arguments) -> ast.arguments:
    """The parameters of a function without their annotations."""

    def bare(items: list[ast.arg]) -> list[ast.arg]:
        return [ast.arg(item.arg) for item in items]

    return ast.arguments(
        bare(arguments.posonlyargs), bare(arguments.args), arguments.vararg and ast.arg(arguments.vararg.arg),
        bare(arguments.kwonlyargs), arguments.kw_defaults, arguments.kwarg and ast.arg(arguments.kwarg.arg),
        arguments.defaults,
    )  # fmt: skip


def plain(statement: ast.stmt) -> ast.stmt:
    """An annotated assignment without its annotation; any other statement as it is."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is None:
            return ast.Pass()
        return ast.Assign([statement.target], statement.value, lineno=statement.lineno)
    return statement


def without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    """The body of a function or class without its docstring."""
    return [statement for statement in body if not is_text(statement)] or [ast.Pass()]

"""Code without what cannot change a result: docstrings, annotations, what is logged, what an error says, meanings."""

import ast

SAID = {"InputError", "NonFiniteLossError", "progress"}  # calls whose text is only read by people
LOGGERS = {"log", "logger", "logging", "warnings"}
TEXT_KEYWORDS = {"meaning", "description"}


class Stripper(ast.NodeTransformer):
    """Takes out of a statement what cannot change a result."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        arguments = [ast.arg(argument.arg) if argument else None for argument in arguments]
        split = len(node.args.posonlyargs), len(node.args.posonlyargs) + len(node.args.args)
        args = ast.arguments(
            arguments[: split[0]], arguments[split[0] : split[1]], arguments[-2], arguments[split[1] : -2],
            node.args.kw_defaults, arguments[-1], node.args.defaults,
        )  # fmt: skip
        bare = type(node)(
            name=node.name, args=args, body=without_text(node.body), decorator_list=node.decorator_list, returns=None,
            type_params=getattr(node, "type_params", []), lineno=node.lineno,
        )  # fmt: skip
        return self.generic_visit(bare)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        body = without_text(node.body)
        bare = ast.ClassDef(
            name=node.name, bases=node.bases, keywords=node.keywords, body=body, decorator_list=node.decorator_list,
            type_params=getattr(node, "type_params", []), lineno=node.lineno,
        )  # fmt: skip
        return self.generic_visit(bare)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        return ast.Raise(exc=called(node.exc), cause=None)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        function = call.func if isinstance(call, ast.Call) else None
        owner = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id in LOGGERS:
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        arguments, keywords = node.args, [item for item in node.keywords if item.arg not in TEXT_KEYWORDS]
        if isinstance(node.func, ast.Name) and node.func.id in SAID:
            arguments, keywords = [], []
        return self.generic_visit(ast.Call(func=node.func, args=arguments, keywords=keywords))


def called(exception: ast.expr | None) -> ast.expr | None:
    """What is raised, without its message."""
    return called(exception.func) if isinstance(exception, ast.Call) else exception


def is_text(statement: ast.stmt) -> bool:
    """True for a docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    """The body of a function or class without its docstring."""
    return [statement for statement in body if not is_text(statement)] or [ast.Pass()]

"""What each route takes and which problems it answers with, read out of the functions' own code.

A route's problems are those that its decorator declares and those that its arguments bring; see `Api` in `http.py`.
"""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docs.generator.template import ROOT
from outlive import errors
from outlive.errors import InternalError, Problem
from outlive.http import BROUGHT_BY, route_key

PROBLEMS: dict[str, type[Problem]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Problem)
}
"""Every problem by the name of its class."""

BROUGHT_BY_NAME = {kind.__name__: problem for kind, problem in BROUGHT_BY.items()}
"""What a handler's argument brings, by the name of its annotation."""


@dataclass(slots=True)
class Call:
    """One route: `function` is its folder, `name` the function behind it, `summary` that one's docstring."""

    method: str
    path: str
    function: str
    name: str
    summary: str
    problems: set[type[Problem]] = field(default_factory=lambda: {InternalError})
    headers: set[str] = field(default_factory=set)
    queries: set[str] = field(default_factory=set)
    takes_body: bool = False


def calls_of(function: str) -> list[Call]:
    """The routes of `functions/<function>/app.py`, in their order there."""
    file = ROOT / "functions" / function / "app.py"
    reader = _Reader(ast.parse(file.read_text(), str(file)))
    return [reader.read(function, node, route) for node in reader.functions.values() for route in _routes_on(node)]


@cache
def first_details() -> dict[str, str]:
    """The first detail in the code of each problem, by the name of its class, if the detail is a plain text."""
    details: dict[str, str] = {}
    for file in [*sorted((ROOT / "shared").rglob("*.py")), *sorted((ROOT / "functions").rglob("app.py"))]:
        nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        for node in sorted(nodes, key=lambda call: call.lineno):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(detail)), *_]) if name in PROBLEMS:
                    details.setdefault(name, detail)
    return details


def _routes_on(node: ast.FunctionDef) -> Iterator[ast.Call]:
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="api")), args=[ast.Constant()]):
                yield decorator


class _Reader:
    """Reads a module without running it: it would build clients."""

    def __init__(self, source: ast.Module) -> None:
        self.functions = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
        self._names: dict[str, Any] = {}
        for node in source.body:
            match node:
                case ast.ImportFrom(module=str(module), names=names) if module.startswith("outlive"):
                    imported = importlib.import_module(module)
                    self._names |= {one.asname or one.name: getattr(imported, one.name) for one in names}

    def read(self, function: str, node: ast.FunctionDef, route: ast.Call) -> Call:
        assert isinstance(route.func, ast.Attribute)
        method, path = route_key(route.func.attr, ast.literal_eval(route.args[0])).split(" ")
        call = Call(method, path, function, node.name, ast.get_docstring(node) or "")
        for keyword in route.keywords:
            # The names in it are those of the module.
            call.problems |= set(eval(ast.unparse(keyword.value), self._names))  # noqa: S307
        for one in node.args.args:
            match one.annotation:
                case ast.Name(id=kind) if kind in BROUGHT_BY_NAME:
                    call.problems.add(BROUGHT_BY_NAME[kind])
        self._take_in(call, node)
        return call

    def _take_in(self, call: Call, node: ast.FunctionDef) -> None:
        """Add what the handler, or a function of its module that it calls, takes of the request."""
        for inner in ast.walk(node):
            match inner:
                case ast.Attribute(value=ast.Name(id="api"), attr="body"):
                    call.takes_body = True
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="api"), attr="header"), args=[ast.Constant(value=name)]
                ):
                    call.headers.add(str(name))
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="api"), attr="query"), args=[ast.Constant(value=name)]
                ):
                    call.queries.add(str(name))
                case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                    self._take_in(call, self.functions[name])

"""What each route takes and which problems it answers with, read out of the functions' own code.

A route's problems are those it raises itself, and those that the docstrings of what it calls promise: `Raises …`.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docs.generator.template import ROOT
from outlive import errors
from outlive.errors import InternalError, Problem, ReadFailed
from outlive.http import Api
from outlive.request import check_chat_id, check_run_id

PROBLEMS: dict[str, type[Problem]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Problem)
}
"""Every problem by the name of its class."""

ARGUMENTS: dict[str, object] = {"Caller": Api.caller, "ChatId": check_chat_id, "RunId": check_run_id}
"""What checks a handler's argument, by the name of its annotation."""


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
    source = ast.parse(file.read_text(), str(file))
    reader = _Reader(source)
    return [
        reader.read(Call(method.upper(), path, function, node.name, ast.get_docstring(node) or ""), node)
        for node in source.body
        if isinstance(node, ast.FunctionDef)
        for method, path in _routes_on(node)
    ]


@cache
def said_with() -> dict[str, str]:
    """The detail that the code first gives with each problem, by the name of its class, where that is a plain text."""
    found: dict[str, str] = {}
    for file in [*sorted((ROOT / "shared").rglob("*.py")), *sorted((ROOT / "functions").rglob("app.py"))]:
        nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        for node in sorted(nodes, key=lambda call: call.lineno):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(detail)), *_]) if name in PROBLEMS:
                    found.setdefault(name, detail)
    return found


def _routes_on(node: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="api"), attr=method), args=[ast.Constant(value=path)]):
                yield method, re.sub(r"<(\w+)>", r"{\1}", str(path))


class _Reader:
    """Knows what the names of a module stand for, without running it: it would build clients."""

    def __init__(self, source: ast.Module) -> None:
        self._functions = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
        self._names: dict[str, Any] = {}
        for node in source.body:
            match node:
                case ast.ImportFrom(module=str(module), names=names) if module.startswith("outlive"):
                    imported = importlib.import_module(module)
                    self._names |= {one.asname or one.name: getattr(imported, one.name) for one in names}
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made_of))):
                    self._names[name] = self._names.get(made_of)

    def read(self, call: Call, node: ast.FunctionDef) -> Call:
        if call.method == "GET":
            # What the table fails to answer becomes this; start and stop have answers of their own for it.
            call.problems.add(ReadFailed)
        self._take_in(call, node)
        return call

    def _take_in(self, call: Call, node: ast.FunctionDef) -> None:
        for one in node.args.args:
            match one.annotation:
                case ast.Name(id=kind) if kind in ARGUMENTS:
                    self._take_promise(call, ARGUMENTS[kind])
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
            match inner:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                    self._take_promise(call, getattr(self._names.get(name), attribute, None))
                case ast.Call(func=ast.Name(id=name)) if name in self._functions:
                    self._take_in(call, self._functions[name])
                case ast.Call(func=ast.Name(id=name)):
                    self._take_promise(call, self._names.get(name))

    def _take_promise(self, call: Call, called: object) -> None:
        if isinstance(called, type) and issubclass(called, Problem):
            call.problems.add(called)
            return
        for promise in re.findall(r"\bRaises ([^.]+)", getattr(called, "__doc__", None) or ""):
            call.problems |= {PROBLEMS[word] for word in re.findall(r"\w+", promise) if word in PROBLEMS}

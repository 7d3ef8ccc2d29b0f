"""Edits of Python source that do not depend on its layout: a definition is found by its name, a place in it by a pattern.

A pattern is Python. In it
    a single capital letter   stands for any expression, the same one wherever the letter stands
    `f(...)`                  stands for any call of `f`
    `if A: ...`               stands for an `if` with any body and without an `else`
The replacement may use the same letters, calls and body. An expression is replaced by an expression wherever it stands in
the definition, statements by statements in any block. An expression without a replacement is taken out of a display, a
call's arguments or a block.
Layout, comments and the local variables behind a letter may change without the edit having to.
"""

import ast
import copy
from dataclasses import dataclass
from typing import TypeAlias

Bound: TypeAlias = dict[str, ast.AST | list[ast.stmt]]


class DoesNotApply(ValueError):
    """The definition is not there, or the pattern does not stand in it exactly once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `definition` of the module at `path`, `before` is replaced by `after`; without `after` it is taken away.

    `definition` is `Class.method`, `function`, or a name that the module assigns.
    """

    path: str
    definition: str
    before: str
    after: str | None = None


def edited(text: str, edit: Edit) -> str:
    """The source `text` with `edit` made in it. Raises DoesNotApply."""
    tree = ast.parse(text)
    definition = _definition(tree, edit.definition.split("."))
    if definition is None:
        raise DoesNotApply(f"{edit.path} has no {edit.definition}")
    editor = _Editor(ast.parse(edit.before).body, None if edit.after is None else ast.parse(edit.after).body)
    editor.visit(definition)
    if editor.count != 1:
        raise DoesNotApply(f"{edit.before!r} stands {editor.count} times in {edit.definition} of {edit.path}")
    return ast.unparse(ast.fix_missing_locations(tree))


def _definition(tree: ast.AST, names: list[str]) -> ast.AST | None:
    for node in ast.iter_child_nodes(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if [target.id for target in targets if isinstance(target, ast.Name)] == names:
            return node
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == names[0]:
            return node if len(names) == 1 else _definition(node, names[1:])
    return None


class _Editor(ast.NodeTransformer):
    """Replaces each place that matches, and counts them. Matches inside a match count as well."""

    def __init__(self, before: list[ast.stmt], after: list[ast.stmt] | None) -> None:
        self._before, self._after = before, after
        only = before[0]
        expressions = after is None or (len(after) == 1 and isinstance(after[0], ast.Expr))
        self._expression = only.value if len(before) == 1 and isinstance(only, ast.Expr) and expressions else None
        self.count = 0

    def visit(self, node: ast.AST) -> ast.AST:
        bound: Bound = {}
        if self._after is None or not isinstance(node, ast.expr) or not self._is_expression(node, bound):
            return super().visit(node)
        (replacement,) = self._after
        assert isinstance(replacement, ast.Expr)
        replaced = _filled(replacement.value, bound)
        super().visit(node)
        return replaced

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name, values in ast.iter_fields(node):
            if not isinstance(values, list) or not values:
                continue
            if self._expression is None and isinstance(values[0], ast.stmt):
                setattr(node, name, self._in_block(values))
            elif self._after is None and (isinstance(values[0], ast.stmt) or (type(node), name) in ELEMENTS):
                setattr(node, name, self._without(values))
        return node

    def _is_expression(self, node: ast.AST, bound: Bound) -> bool:
        matches = self._expression is not None and _alike(self._expression, node, bound)
        self.count += matches
        return matches

    def _in_block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        length, start, changed = len(self._before), 0, []
        while start < len(block):
            bound: Bound = {}
            part = block[start : start + length]
            if _alike(self._before, part, bound):
                self.count += 1
                changed += [_filled(each, bound) for each in self._after or []]
                start += length
            else:
                changed.append(block[start])
                start += 1
        return changed or [ast.Pass()]

    def _without(self, values: list[ast.AST]) -> list[ast.AST]:
        """The elements that do not match. A statement matches if it is nothing but the expression."""
        rest = [
            each for each in values if not self._is_expression(each.value if isinstance(each, ast.Expr) else each, {})
        ]
        return rest or ([ast.Pass()] if isinstance(values[0], ast.stmt) else rest)


ELEMENTS = {(ast.List, "elts"), (ast.Set, "elts"), (ast.Tuple, "elts"), (ast.Call, "args")}
"""Lists of expressions that stay valid Python with one expression less."""


def _alike(pattern: object, node: object, bound: Bound) -> bool:
    match pattern:
        case ast.Name(id=letter) if len(letter) == 1 and letter.isupper():
            if letter in bound:
                return isinstance(node, ast.AST) and _same(bound[letter], node)
            if not isinstance(node, ast.expr):
                return False
            bound[letter] = node
            return True
        case ast.Call(func=function, args=[ast.Constant(value=value)], keywords=[]) if value is ...:
            if not isinstance(node, ast.Call) or not _alike(function, node.func, bound):
                return False
            bound[ast.unparse(function)] = node
            return True
        case ast.If(test=test, body=[ast.Expr(value=ast.Constant(value=value))], orelse=[]) if value is ...:
            if not isinstance(node, ast.If) or node.orelse or not _alike(test, node.test, bound):
                return False
            bound["body"] = node.body
            return True
        case ast.AST():
            return type(pattern) is type(node) and all(
                _alike(value, getattr(node, name), bound) for name, value in ast.iter_fields(pattern) if name != "ctx"
            )
        case list():
            return (
                isinstance(node, list)
                and len(pattern) == len(node)
                and all(_alike(*pair, bound) for pair in zip(pattern, node, strict=True))
            )
        case _:
            # With the type: 1, 1.0 and True are equal.
            return type(pattern) is type(node) and pattern == node


def _same(one: ast.AST | list[ast.stmt], other: ast.AST) -> bool:
    return isinstance(one, ast.AST) and ast.unparse(one) == ast.unparse(other)


def _filled(template: ast.AST, bound: Bound) -> ast.AST:
    """A copy of the template with what the letters, calls and bodies of the pattern stood for."""
    return _Filler(bound).visit(copy.deepcopy(template))


class _Filler(ast.NodeTransformer):
    def __init__(self, bound: Bound) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:  # as ast calls it
        instead = self._bound.get(node.id) if len(node.id) == 1 and node.id.isupper() else None
        return copy.deepcopy(instead) if isinstance(instead, ast.AST) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        instead = self._bound.get(ast.unparse(node.func))
        if (
            len(node.args) == 1
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value is ...
            and isinstance(instead, ast.AST)
        ):
            return copy.deepcopy(instead)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        body = self._bound.get("body")
        (only,) = node.body if len(node.body) == 1 else (None,)
        if (
            isinstance(body, list)
            and isinstance(only, ast.Expr)
            and isinstance(only.value, ast.Constant)
            and only.value.value is ...
        ):
            node.body = copy.deepcopy(body)
            node.test = self.visit(node.test)
            return node
        return self.generic_visit(node)

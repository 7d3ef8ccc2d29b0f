"""An edit changes exactly one place of one definition, found by what stands there."""

import ast
from textwrap import dedent

import pytest

from proof.mutants.edit import DoesNotApply, Edit, edited


def after(source: str, before: str, instead: str | None = None, definition: str = "work") -> str:
    """The source with one edit made in it."""
    return edited(dedent(source), Edit("a.py", definition, before, instead))


def same(one: str, other: str) -> bool:
    """True if both are the same code; layout and comments do not count."""
    return ast.dump(ast.parse(dedent(one))) == ast.dump(ast.parse(dedent(other)))


def test_a_letter_stands_for_any_expression_and_is_filled_in_again() -> None:
    changed = after("def work(run): return run.lease_id == own(run)", "A == own(B)", "A != B")
    assert same(changed, "def work(run): return run.lease_id != run")


def test_a_letter_that_stands_twice_is_the_same_expression_both_times() -> None:
    source = "def work(a, b): return (f(a, b), f(b.c, b.c))"
    assert same(after(source, "f(A, A)", "A"), "def work(a, b): return (f(a, b), b.c)")


def test_a_longer_name_stands_for_itself_alone() -> None:
    with pytest.raises(DoesNotApply, match="stands 0 times"):
        after("def work(a): return a.other", "a.one", "a")


def test_a_call_with_dots_is_any_call_of_that_function() -> None:
    source = "def work(t): return t.put(1, *t.rows, key=2)"
    assert same(after(source, "t.put(...)", "[t.put(...)]"), "def work(t): return [t.put(1, *t.rows, key=2)]")


def test_an_if_with_dots_is_an_if_with_any_body_which_can_be_kept() -> None:
    source = """
        def work(a, b):
            if a and b:
                b = 1
                return a
            return b
    """
    kept = after(source, "if A and B: ...", "if A: ...")
    assert same(kept, "def work(a, b):\n    if a:\n        b = 1\n        return a\n    return b")
    assert same(after(source, "if A: ..."), "def work(a, b):\n    return b")


def test_an_if_with_an_else_is_another_if() -> None:
    with pytest.raises(DoesNotApply):
        after("def work(a):\n    if a: return 1\n    else: return 2", "if A: ...")


def test_statements_that_follow_each_other_are_replaced_together() -> None:
    source = """
        def work(table, queue, run):
            with table:
                table.start(run, 1)
                queue.send(run)
                return run
    """
    changed = after(source, "table.start(...)\nqueue.send(A)", "queue.send(A)\ntable.start(...)")
    expected = """
        def work(table, queue, run):
            with table:
                queue.send(run)
                table.start(run, 1)
                return run
    """
    assert same(changed, expected)


def test_a_statement_may_be_put_into_another_one() -> None:
    """The replacement may contain the pattern."""
    changed = after("def work(a): a = one(a)", "a = one(A)", "if A: a = one(A)")
    assert same(changed, "def work(a):\n    if a: a = one(a)")


def test_what_is_taken_away_leaves_the_rest() -> None:
    assert same(after("def work(a):\n    a.one()\n    a.two()", "A.one()"), "def work(a):\n    a.two()")
    assert same(after("def work(a): return [a.one, a.two]", "A.one"), "def work(a): return [a.two]")


def test_a_body_that_is_taken_away_whole_becomes_a_pass() -> None:
    assert same(after("def work(a): a.one()", "a.one()"), "def work(a): pass")
    assert same(after("def work(a):\n    if a: a = 1", "a = 1"), "def work(a):\n    if a: pass")


def test_an_edit_changes_its_definition_alone() -> None:
    source = """
        LIMIT = f(1)
        NAMED: int = f(1)
        def work(): return f(1)
        class One:
            def work(self): return f(1)
        class Two:
            def work(self): return f(1)
    """
    for definition in ("LIMIT", "NAMED", "work", "One.work", "Two.work"):
        changed = after(source, "f(A)", "g(A)", definition)
        assert changed.count("g(1)") == 1
    assert "return g(1)" in changed.partition("class Two")[2]


def test_layout_and_comments_do_not_count() -> None:
    source = """
        def work(a):
            return f(  # why
                a,
            )
    """
    assert same(after(source, "f(A)", "A"), "def work(a): return a")


@pytest.mark.parametrize(
    ("source", "before", "instead", "count"),
    [
        ("def work(a): return a", "f(A)", "A", 0),
        ("def work(a): return 1", "True", "False", 0),
        ("def work(a): return f(a) + f(1)", "f(A)", "A", 2),
        ("def work(a): return f(f(a))", "f(A)", "A", 2),
        ("def work(a):\n    a = 1\n    a = 1", "a = 1", "a = 2", 2),
        ("def work(a):\n    if a: a = 1\n    a = 1", "a = 1", "a = 2", 2),
        ("def work(a):\n    if a:\n        if a: return", "if a: ...", "return", 2),
        ("def work(a): return a", "f(A)", None, 0),
        ("def work(a): return [f(a), f(1)]", "f(A)", None, 2),
        ("def work(a):\n    f(a)\n    if a: f(1)", "f(A)", None, 2),
        ("def work(a):\n    a = 1\n    a = 1", "a = 1", None, 2),
        ("def work(a): return a or f(a)", "f(A)", None, 0),
        ("def work(a): return {a: f(a)}", "f(A)", None, 0),
    ],
)
def test_a_pattern_that_does_not_stand_exactly_once_does_not_apply(
    source: str, before: str, instead: str | None, count: int
) -> None:
    """A mutant is made in exactly one place, or not at all."""
    with pytest.raises(DoesNotApply, match=f"stands {count} times in work of a.py"):
        after(source, before, instead)


def test_a_definition_that_is_not_there_does_not_apply() -> None:
    with pytest.raises(DoesNotApply, match="has no One"):
        after("class One:\n    def rest(self): ...", "f(A)", definition="One.work")

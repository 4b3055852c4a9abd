"""The picture of a run: tree, critical path, what the steps below amount to."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.rules.tree import nesting, rows, totals


@dataclass
class Step:
    span_id: str
    parent_span_id: str | None
    started_us: int
    duration_us: int | None
    cost: Decimal | None = None


def ids(placed):
    return [(row.step.span_id, row.depth) for row in placed]


def test_children_stand_under_their_parent_in_the_order_of_their_start():
    steps = [Step("late", "root", 50, 10), Step("root", None, 0, 100), Step("early", "root", 10, 10)]
    assert ids(rows(steps)) == [("root", 0), ("early", 1), ("late", 1)]


def test_a_step_whose_parent_never_came_stands_at_the_top():
    assert ids(rows([Step("root", None, 0, 10), Step("lost", "gone", 5, 1)])) == [("root", 0), ("lost", 0)]


def test_a_circle_of_parents_is_shown_all_the_same():
    steps = [Step("a", "b", 0, 1), Step("b", "a", 1, 1), Step("self", "self", 2, 1)]
    assert {row.step.span_id for row in rows(steps)} == {"a", "b", "self"}


def test_the_critical_path_is_what_was_waited_for():
    steps = [
        Step("root", None, 0, 100),
        Step("first", "root", 0, 40),
        Step("beside", "root", 5, 20),
        Step("slow", "root", 40, 55),
        Step("quick", "root", 45, 10),
    ]
    assert {row.step.span_id for row in rows(steps) if row.is_critical} == {"root", "first", "slow"}


def test_nesting_end_every_list_that_was_begun():
    placed = rows([Step("a", None, 0, 9), Step("b", "a", 1, 2), Step("c", "b", 1, 1), Step("d", None, 5, 1)])
    assert ids(placed) == [("a", 0), ("b", 1), ("c", 2), ("d", 0)]
    assert nesting(placed) == [(True, 0), (True, 0), (False, 2), (False, 0)]


def test_a_step_amounts_to_its_own_cost_and_that_of_the_steps_below():
    steps = [
        Step("root", None, 0, 9),
        Step("model", "root", 1, 1, Decimal("0.10")),
        Step("agent", "root", 2, 5),
        Step("inner", "agent", 3, 1, Decimal("0.02")),
        Step("free", "root", 8, 1),
    ]
    found = totals(rows(steps), lambda step: step.cost)
    assert found == {
        "root": Decimal("0.12"),
        "model": Decimal("0.10"),
        "agent": Decimal("0.02"),
        "inner": Decimal("0.02"),
    }


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.one_of(st.none(), st.integers(0, 14)),
            st.integers(0, 1000),
            st.one_of(st.none(), st.integers(0, 500)),
        ),
        unique_by=lambda item: item[0],
    )
)
def test_every_step_is_placed_once_within_the_whole(items):
    steps = [
        Step(str(number), None if parent is None else str(parent), start, took) for number, parent, start, took in items
    ]
    placed = rows(steps)
    assert sorted(row.step.span_id for row in placed) == sorted(step.span_id for step in steps)
    assert all(0 <= row.offset <= 100 for row in placed)
    for cut in range(len(placed) + 1):
        shown = nesting(placed[:cut])
        assert sum(begins for begins, _ in shown) == sum(ends for _, ends in shown), "every list that begins ends"

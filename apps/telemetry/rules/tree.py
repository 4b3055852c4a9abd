"""The picture of one run: the tree of its steps, where each lies in time, the path that decided how long it took."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol


class Step(Protocol):
    """What the picture needs of a span."""

    span_id: str
    parent_span_id: str | None
    started_us: int
    duration_us: int | None


class Row[S: Step](NamedTuple):
    """A step in its place: depth in the tree, offset and width in percent of the whole, and whether it decided."""

    step: S
    depth: int
    offset: float
    width: float
    is_critical: bool
    child_count: int


DEEPEST = 200


def rows[S: Step](steps: Sequence[S]) -> list[Row[S]]:
    """Return the steps as a tree, children under their parent in the order of their start.

    A step whose parent is unknown stands at the top; a parent chain that bites its own tail is cut.
    """
    if not steps:
        return []
    known = {step.span_id for step in steps}
    children: dict[str | None, list[S]] = {}
    for step in sorted(steps, key=lambda step: (step.started_us, step.span_id)):
        parent = step.parent_span_id if step.parent_span_id in known and step.parent_span_id != step.span_id else None
        children.setdefault(parent, []).append(step)
    start = min(step.started_us for step in steps)
    end = max(_end(step) for step in steps)
    whole = max(1, end - start)
    critical = critical_path(steps, children)
    found: list[Row[S]] = []
    seen: set[str] = set()
    stack = [(step, 0) for step in reversed(children.get(None, []))]
    while stack:
        step, depth = stack.pop()
        if step.span_id in seen:
            continue
        seen.add(step.span_id)
        below = children.get(step.span_id, [])
        found.append(
            Row(
                step,
                depth,
                round((step.started_us - start) / whole * 100, 2),
                round(max(0.4, (step.duration_us or 0) / whole * 100), 2),
                step.span_id in critical,
                len(below),
            )
        )
        if depth < DEEPEST:
            stack += [(child, depth + 1) for child in reversed(below)]
    # What hangs in a circle has no top: it is shown all the same.
    found += [Row(step, 0, 0.0, 0.4, False, 0) for step in steps if step.span_id not in seen]
    return found


def critical_path[S: Step](steps: Sequence[S], children: dict[str | None, list[S]]) -> set[str]:
    """Return the ids of the steps that decided the end: from the last end backwards, always the step that ended last.

    The method is that of distributed tracing: within a step, the child that ended last before the moment under
    consideration was the one waited for; before its start, the next.
    """
    tops = children.get(None, [])
    if not tops:
        return set()
    path: set[str] = set()
    stack = [(max(tops, key=_end), max(_end(step) for step in tops))]
    while stack:
        step, moment = stack.pop()
        if step.span_id in path:
            continue
        path.add(step.span_id)
        for child in sorted(children.get(step.span_id, []), key=_end, reverse=True):
            if _end(child) <= moment and child.started_us < moment:
                stack.append((child, _end(child)))
                moment = child.started_us
    return path


def _end(step: Step) -> int:
    return step.started_us + (step.duration_us or 0)


def nesting(placed: Sequence[Row]) -> list[tuple[bool, int]]:
    """Return for each row whether a list of rows below it begins, and how many lists end after it.

    Nested lists can so be written row by row, without recursion, also where the rows were cut off somewhere.
    """
    depths = [row.depth for row in placed]
    following = [*depths[1:], 0][: len(depths)]
    return [(after > depth, max(0, depth - after)) for depth, after in zip(depths, following, strict=True)]


def totals[S: Step](placed: Sequence[Row[S]], amount: Callable[[S], Decimal | None]) -> dict[str, Decimal]:
    """Return for each step what it and the steps below it amount to; a step is missing where nothing is known."""
    found: dict[str, Decimal] = {}
    # What waits for its parent: the amounts of deeper rows, collected from the last row backwards.
    below: dict[int, Decimal] = {}
    for row in reversed(placed):
        own = amount(row.step)
        under = below.pop(row.depth + 1, None)
        known = [value for value in (own, under) if value is not None]
        if known:
            found[row.step.span_id] = sum(known, Decimal(0))
            below[row.depth] = below.get(row.depth, Decimal(0)) + found[row.step.span_id]
    return found

"""Tasks, traces and spans as lists and single pictures; keyset pages, newest first."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Model, Q, QuerySet

from apps.core.errors import DomainError, Missing
from apps.telemetry.models import Payload, Span, Task, Trace

# A trace's first step may be so much older than its summary knows (it arrived after the last fold).
_MARGIN = timedelta(days=7)
ANY = "any"
TASK_STATUSES = ("running", "waiting", "succeeded", "failed", "abandoned")


@dataclass(frozen=True)
class RunFilter:
    """What to list; None: not filtered. `text` searches ids and names; an `escalation_reason` of ANY takes each."""

    start: datetime | None = None
    end: datetime | None = None
    agent: str | None = None
    agent_version: str | None = None
    environment: str | None = None
    task_type: str | None = None
    model: str | None = None
    status: str | None = None
    error_category: str | None = None
    escalation_reason: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    task_id: str | None = None
    tool: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Page[Row: Model]:
    """One page of a list and the cursor of the next (None: this was the last)."""

    rows: Sequence[Row]
    next_cursor: str | None


@dataclass(frozen=True)
class TraceTree:
    """One trace with all its steps in the order in which they began, and their contents where asked for."""

    trace_id: str
    trace: Trace | None
    spans: list[Span]
    payloads: dict[str, Payload]


def task_page(chosen: RunFilter, *, cursor: str | None = None, limit: int = 50) -> Page[Task]:
    """Return tasks, the newest first."""
    return _page(_filtered(Task.objects.all(), chosen), "task_id", cursor, limit)


def task_count(chosen: RunFilter, *, most: int) -> int:
    """Return how many tasks there are, `most` for that many and more."""
    return _filtered(Task.objects.all(), chosen)[:most].count()


def trace_page(chosen: RunFilter, *, cursor: str | None = None, limit: int = 50) -> Page[Trace]:
    """Return traces, the newest first."""
    return _page(_filtered(Trace.objects.all(), chosen), "trace_id", cursor, limit)


def find_task(task_id: str) -> Task:
    """Return a task by its id, or by the id of one of its traces; raises Missing."""
    task = Task.objects.filter(task_id=task_id).first()
    if task is None:
        joined = Trace.objects.filter(trace_id=task_id).values_list("task_id", flat=True).first()
        task = Task.objects.filter(task_id=joined).first() if joined else None
    if task is None:
        raise Missing(f"There is no task {task_id}.", code="task_unknown")
    return task


def traces_of(task: Task) -> list[Trace]:
    """Return a task's traces in the order in which they began."""
    return list(Trace.objects.filter(task_id=task.task_id).order_by("started_at", "trace_id"))


def find_trace(trace_id: str, *, with_payloads: bool = False) -> TraceTree:
    """Return a trace with its steps; raises Missing. Steps that are not folded yet are there already."""
    trace = Trace.objects.filter(trace_id=trace_id).first()
    spans = Span.objects.filter(trace_id=trace_id)
    if trace is not None:
        # The bounds spare the partitions of all other days.
        bounds = (trace.started_at - _MARGIN, (trace.ended_at or trace.started_at) + _MARGIN)
        spans = spans.filter(started_at__range=bounds)
    steps = list(spans.order_by("started_at", "span_id"))
    if not steps:
        raise Missing(f"There is no trace {trace_id}.", code="trace_unknown")
    payloads: dict[str, Payload] = {}
    if with_payloads:
        found = Payload.objects.filter(trace_id=trace_id, started_at__range=(steps[0].started_at, steps[-1].started_at))
        payloads = {payload.span_id: payload for payload in found}
    return TraceTree(trace_id, trace, steps, payloads)


def _filtered(rows: QuerySet, chosen: RunFilter) -> QuerySet:
    exact = (
        "agent",
        "agent_version",
        "environment",
        "task_type",
        "model",
        "status",
        "error_category",
        "escalation_reason",
        "conversation_id",
        "user_id",
        "task_id",
    )
    wanted = {name: value for name in exact if (value := getattr(chosen, name)) is not None}
    if wanted.get("escalation_reason") == ANY:
        del wanted["escalation_reason"]
        rows = rows.exclude(escalation_reason=None)
    if chosen.tool is not None:
        wanted["tools__contains"] = [chosen.tool]
    rows = rows.filter(**wanted)
    if chosen.start is not None:
        rows = rows.filter(started_at__gte=chosen.start)
    if chosen.end is not None:
        rows = rows.filter(started_at__lt=chosen.end)
    if chosen.text:
        ids = Q(task_id=chosen.text) | Q(conversation_id=chosen.text) | Q(user_id=chosen.text)
        ids |= Q(trace_id=chosen.text) if rows.model is Trace else Q(trace_ids__contains=[chosen.text])
        rows = rows.filter(ids | Q(name__icontains=chosen.text))
    return rows


def _page(rows: QuerySet, key: str, cursor: str | None, limit: int) -> Page:
    if cursor:
        at, after = _read_cursor(cursor)
        rows = rows.filter(started_at__lte=at).filter(Q(started_at__lt=at) | Q(**{f"{key}__gt": after}))
    found = list(rows.order_by("-started_at", key)[: limit + 1])
    if len(found) <= limit:
        return Page(found, None)
    last: Any = found[limit - 1]
    return Page(found[:limit], _write_cursor(last.started_at, getattr(last, key)))


def _write_cursor(at: datetime, key: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(["1", at, key])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        version, at, key = msgspec.json.decode(raw, type=tuple[str, datetime, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise DomainError(
            "The cursor is not one of ours: take it from `next`.", code="cursor_unknown", field="cursor", status=400
        ) from error
    if version != "1" or at.tzinfo is None or "\0" in key:
        raise DomainError("The cursor is not one of ours.", code="cursor_unknown", field="cursor", status=400)
    return at, key

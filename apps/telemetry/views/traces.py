"""Pages of one trace: its steps in time, one step in detail, and the whole as JSON."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.telemetry.api.traces import shown
from apps.telemetry.models import Payload, Span, Task
from apps.telemetry.rules.messages import messages
from apps.telemetry.rules.tree import Row, nesting, totals
from apps.telemetry.rules.tree import rows as tree_rows
from apps.telemetry.selectors.runs import TraceTree, find_trace
from apps.telemetry.services.settle import settle
from apps.telemetry.views.breakdowns import time_bars

# A trace with more steps shows so many at first, of a content so many characters.
FIRST_SPANS = 300
FIRST_CHARS = 20_000
_MICROSECOND = timedelta(microseconds=1)


class Drawn:
    """A span as the tree draws it."""

    __slots__ = ("duration_us", "parent_span_id", "span", "span_id", "started_us")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.span_id = span.span_id
        self.parent_span_id = span.parent_span_id
        self.started_us = round(span.started_at.timestamp() * 1e6)
        self.duration_us = span.duration_us


@require_GET
@requires("telemetry.view")
def trace_page(request: PageRequest, trace_id: str) -> HttpResponse:
    """Show one trace: its steps in time, where the time went, and one step in detail (?span=)."""
    settle(request.organization.id)
    tree = find_trace(trace_id)
    every = tree_rows([Drawn(span) for span in tree.spans])
    only = request.GET.get("only", "")
    chosen = _chosen(tree.spans, request.GET.get("span", ""))
    rows = _narrowed(every, only, chosen, is_whole=request.GET.get("all") == "1")
    context = {
        "trace_id": trace_id,
        "trace": tree.trace,
        "task": Task.objects.filter(task_id=tree.trace.task_id).first() if tree.trace else None,
        "rows": [(row, *level) for row, level in zip(rows, nesting(rows), strict=True)],
        "hidden_count": len(every) - len(rows) if not only else 0,
        "only": only,
        "costs": totals(every, _cost),
        "depth": max((row.depth for row in every), default=0) + 1,
        "errors": [span for span in tree.spans if span.status == "error"],
        "length_us": _length(every),
        **_where_time_went(tree),
        **_detail(every, chosen),
    }
    return page(request, "telemetry/trace_page.html", context, part="detail")


@require_GET
@requires("telemetry.view")
def trace_json(request: PageRequest, trace_id: str) -> JsonResponse:
    """Hand out the trace as the API does."""
    tree = find_trace(trace_id, with_payloads=True)
    body = {"trace_id": tree.trace_id, "spans": [shown(span, tree.payloads.get(span.span_id)) for span in tree.spans]}
    return JsonResponse(body, json_dumps_params={"indent": 2, "ensure_ascii": False})


def _narrowed(every: list[Row[Drawn]], only: str, chosen: Span | None, *, is_whole: bool) -> list[Row[Drawn]]:
    """Return the rows to show: the critical path, the errors, or the first FIRST_SPANS (all if asked)."""
    if only == "critical":
        return [row for row in every if row.is_critical]
    if only == "errors":
        return [row for row in every if row.step.span.status == "error"]
    first = every[:FIRST_SPANS]
    if is_whole or chosen is None or all(row.step.span is not chosen for row in first):
        return every
    return first


def _chosen(spans: list[Span], span_id: str) -> Span | None:
    """Return the step to show: the one asked for, else the first that failed, else the first."""
    by_id = {span.span_id: span for span in spans}
    if span_id in by_id:
        return by_id[span_id]
    first = sorted(spans, key=lambda span: (span.status != "error", span.parent_span_id is not None, span.started_at))
    return first[0] if first else None


def _cost(step: Drawn) -> Decimal | None:
    return step.span.cost_usd


def _length(every: list[Row[Drawn]]) -> int:
    starts = [row.step.started_us for row in every]
    ends = [row.step.started_us + (row.step.duration_us or 0) for row in every]
    return max(ends, default=0) - min(starts, default=0)


def _where_time_went(tree: TraceTree) -> dict[str, Any]:
    return {"time": time_bars(tree.trace, end_to_end=True) if tree.trace else []}


def _detail(every: list[Row[Drawn]], span: Span | None) -> dict[str, Any]:
    """Return one step with its contents, its place in the whole, and the next step that failed."""
    if span is None:
        return {"chosen": None}
    payload = Payload.objects.filter(trace_id=span.trace_id, span_id=span.span_id, started_at=span.started_at).first()
    start = min(row.step.started_us for row in every)
    row = next(row for row in every if row.step.span is span)
    failed = [row.step.span for row in every if row.step.span.status == "error"]
    at = failed.index(span) + 1 if span in failed else 0
    return {
        "chosen": span,
        "row": row,
        "into_us": row.step.started_us - start,
        "next_error": failed[at % len(failed)] if failed and failed != [span] else None,
        "contents": _contents(payload) if payload else [],
        "events": payload.events or [] if payload else [],
        "attributes": sorted(span.attributes.items()),
    }


def _contents(payload: Payload) -> list[dict[str, Any]]:
    """Return input and output: as a conversation where they are one, else as (indented) text, cut where too long."""
    found = []
    for name, text in (("Input", payload.input), ("Output", payload.output)):
        if text:
            turns = messages(text)
            written = _indented(text)
            found.append(
                {
                    "name": name,
                    "turns": [turn._replace(text=turn.text[:FIRST_CHARS]) for turn in turns],
                    "text": written[:FIRST_CHARS],
                    "cut": max(0, len(written) - FIRST_CHARS),
                }
            )
    return found


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text

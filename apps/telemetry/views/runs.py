"""Pages of runs: the list of tasks, one task, one trace with its spans."""

import json
from datetime import timedelta
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.telemetry.api.traces import shown
from apps.telemetry.models import Payload, Sighting, Span, Task
from apps.telemetry.rules.components import span_times
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.rules.tree import rows as tree_rows
from apps.telemetry.selectors.metrics import recent
from apps.telemetry.selectors.runs import RunFilter, find_task, find_trace, task_page, traces_of
from apps.telemetry.services.settle import settle
from apps.telemetry.views.fleet import COMPONENT_NAMES
from apps.telemetry.views.scope import read_scope

STATUSES = {
    "succeeded": "Succeeded",
    "failed": "Failed",
    "waiting": "Waiting for a person",
    "running": "Running",
    "abandoned": "Abandoned",
}
STATUS_SHAPES = {
    "succeeded": "healthy",
    "failed": "unhealthy",
    "waiting": "watch",
    "running": "unknown",
    "abandoned": "watch",
}
FILTERS = (
    "agent",
    "agent_version",
    "task_type",
    "model",
    "status",
    "error_category",
    "escalation_reason",
    "user_id",
    "conversation_id",
    "text",
)
PAGE_SIZE = 50
# A run with more steps shows so many at first.
FIRST_SPANS = 300


@require_GET
@requires("telemetry.view")
def task_list(request: PageRequest) -> HttpResponse:
    """Show tasks, newest first, narrowed by what the address says."""
    settle(request.organization.id)
    scope = read_scope(request)
    wanted = {name: request.GET.get(name, "").strip() for name in FILTERS}
    narrowed: dict[str, Any] = {name: value or None for name, value in wanted.items()}
    chosen = RunFilter(start=recent(scope.length).start, environment=scope.environment or None, **narrowed)
    found = task_page(chosen, cursor=request.GET.get("cursor"), limit=PAGE_SIZE)
    context = {
        "tasks": found.rows,
        "next": found.next_cursor,
        "scope": scope,
        "wanted": wanted,
        "is_filtered": any(wanted.values()),
        "chips": [(name, value) for name, value in wanted.items() if value and name not in ("text", "status", "agent")],
        "statuses": STATUSES,
        "shapes": STATUS_SHAPES,
        "agents": agents_with_tasks(),
        "categories": ERROR_CATEGORIES,
        "reasons": ESCALATION_REASONS,
    }
    return page(request, "telemetry/task_list.html", context, part="results")


def agents_with_tasks() -> list[str]:
    """Return the slugs of agents that reported, for the filter."""
    return list(Sighting.objects.order_by("agent").values_list("agent", flat=True))


@require_GET
@requires("telemetry.view")
def task_page_view(request: PageRequest, task_id: str) -> HttpResponse:
    """Show one task: straight its trace where it has one, else its attempts."""
    settle(request.organization.id)
    task = find_task(task_id)
    if len(task.trace_ids) == 1:
        return redirect("telemetry:trace_page", request.organization.slug, task.trace_ids[0])
    context = {
        "task": task,
        "traces": traces_of(task),
        "shapes": STATUS_SHAPES,
        "statuses": STATUSES,
        "times": _times(task),
        "categories": ERROR_CATEGORIES,
        "reasons": ESCALATION_REASONS,
    }
    return page(request, "telemetry/task_page.html", context)


@require_GET
@requires("telemetry.view")
def trace_page(request: PageRequest, trace_id: str) -> HttpResponse:
    """Show one trace: its steps in time, where the time went, and one step in detail (?span=)."""
    settle(request.organization.id)
    tree = find_trace(trace_id)
    task = Task.objects.filter(task_id=tree.trace.task_id).first() if tree.trace else None
    every = tree_rows([Drawn(span) for span in tree.spans])
    is_whole = request.GET.get("all") == "1" or len(every) <= FIRST_SPANS
    chosen = _chosen(tree.spans, request.GET.get("span", ""))
    context = {
        "trace_id": trace_id,
        "trace": tree.trace,
        "task": task,
        "rows": every if is_whole else every[:FIRST_SPANS],
        "hidden_count": 0 if is_whole else len(every) - FIRST_SPANS,
        "depth": max((row.depth for row in every), default=0) + 1,
        "only": request.GET.get("only", ""),
        "error_count": sum(1 for span in tree.spans if span.status == "error"),
        "times": _times(tree.trace) if tree.trace else [],
        "chosen": chosen,
        "length_us": (tree.trace.ended_at - tree.trace.started_at) // timedelta(microseconds=1)
        if tree.trace and tree.trace.ended_at
        else None,
        "shapes": STATUS_SHAPES,
        "statuses": STATUSES,
        "categories": ERROR_CATEGORIES,
        **_detail(chosen),
    }
    return page(request, "telemetry/trace_page.html", context, part="detail")


@require_GET
@requires("telemetry.view")
def trace_json(request: PageRequest, trace_id: str) -> JsonResponse:
    """Hand out the trace as the API does."""
    tree = find_trace(trace_id, with_payloads=True)
    body = {"trace_id": tree.trace_id, "spans": [shown(span, tree.payloads.get(span.span_id)) for span in tree.spans]}
    return JsonResponse(body, json_dumps_params={"indent": 2})


@require_GET
@requires("telemetry.view")
def first_span(request: PageRequest) -> HttpResponse:
    """Tell the onboarding page whether something has arrived."""
    settle(request.organization.id)
    task = Task.objects.order_by("-folded_at").first()
    return page(request, "telemetry/span_first.html", {"task": task}, part="state")


class Drawn:
    """A span as the tree draws it."""

    __slots__ = ("duration_us", "parent_span_id", "span", "span_id", "started_us")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.span_id = span.span_id
        self.parent_span_id = span.parent_span_id
        self.started_us = round(span.started_at.timestamp() * 1e6)
        self.duration_us = span.duration_us


def _chosen(spans: list[Span], span_id: str) -> Span | None:
    """Return the step to show: the one asked for, else the first that failed, else the first."""
    by_id = {span.span_id: span for span in spans}
    if span_id in by_id:
        return by_id[span_id]
    return next((span for span in spans if span.status == "error"), spans[0] if spans else None)


def _detail(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {}
    payload = Payload.objects.filter(trace_id=span.trace_id, span_id=span.span_id, started_at=span.started_at).first()
    return {
        "payload": payload,
        "input": _pretty(payload.input) if payload else "",
        "output": _pretty(payload.output) if payload else "",
        "events": payload.events if payload else [],
        "attributes": sorted(span.attributes.items()),
    }


def _pretty(text: str | None) -> str:
    """Return JSON indented; other text as it is."""
    if not text:
        return ""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _times(run: Any) -> list[tuple[str, str, int, float, float]]:
    """Return where the time went: (kind, name, µs, offset %, width %), one after another."""
    return span_times({name: getattr(run, name) for name in COMPONENT_NAMES}, COMPONENT_NAMES)

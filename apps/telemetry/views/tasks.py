"""Pages of tasks: the list with its filters, and one task with its traces."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.telemetry.models import Sighting, Task, TaskHour
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.selectors.runs import ANY, RunFilter, find_task, task_count, task_page, traces_of
from apps.telemetry.services.settle import settle
from apps.telemetry.views.breakdowns import time_bars
from apps.telemetry.views.scope import Scope, read_scope

STATUSES = {
    "succeeded": "Succeeded",
    "failed": "Failed",
    "waiting": "Waiting for a person",
    "running": "Running",
    "abandoned": "Abandoned",
}
# What the address may say, and how people call it. The address and the table use the same names.
FILTERS = {
    "text": "Text",
    "agent": "Agent",
    "status": "Status",
    "task_type": "Type",
    "model": "Model",
    "tool": "Tool",
    "agent_version": "Version",
    "error_category": "Error",
    "escalation_reason": "Escalation",
    "user_id": "For",
    "conversation_id": "Conversation",
}
_WORDS: dict[str, dict[str, str]] = {
    "status": STATUSES,
    "error_category": ERROR_CATEGORIES,
    "escalation_reason": {ANY: "Any reason", **ESCALATION_REASONS},
}
PAGE_SIZE = 50
# Counting goes so far: beyond it the exact number helps nobody and costs time.
MOST_COUNTED = 10_000
# So many lists stand beside the search, the others under “More filters”.
AT_HAND = 2
# Types and models of so many days are offered to choose from.
OFFERED_DAYS = 90


class Choice(NamedTuple):
    """A list to choose from: the parameter, its label, the value chosen, and (value, name) of each."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]


class Chip(NamedTuple):
    """A filter in force: how it reads, and the address's query without it."""

    text: str
    without: str


@require_GET
@requires("telemetry.view")
def task_list(request: PageRequest) -> HttpResponse:
    """Show tasks, newest first, narrowed by what the address says."""
    settle(request.organization.id)
    scope = read_scope(request)
    wanted = {name: request.GET.get(name, "").strip() for name in FILTERS}
    chosen = _chosen(scope, wanted)
    choices = _choices(wanted)
    found = task_page(chosen, cursor=request.GET.get("cursor"), limit=PAGE_SIZE)
    context = {
        "tasks": found.rows,
        "next": found.next_cursor,
        "is_first": not request.GET.get("cursor"),
        "count": task_count(chosen, most=MOST_COUNTED),
        "most": MOST_COUNTED,
        "scope": scope,
        "wanted": wanted,
        "chips": _chips(request.GET, wanted),
        "choices": choices[:AT_HAND],
        "more_choices": choices[AT_HAND:],
        "more_is_open": any(choice.value for choice in choices[AT_HAND:]),
    }
    return page(request, "telemetry/task_list.html", context, part="results")


def _chosen(scope: Scope, wanted: dict[str, str]) -> RunFilter:
    covered = scope.slice()
    narrowed: dict[str, Any] = {name: value or None for name, value in wanted.items()}
    chosen = RunFilter(start=covered.start, environment=scope.environment or None, **narrowed)
    return replace(chosen, start=None) if scope.period == "all" else chosen


def _choices(wanted: dict[str, str]) -> list[Choice]:
    """Return the lists to choose from, the most used first."""
    since = timezone.now() - timedelta(days=OFFERED_DAYS)
    hours = TaskHour.objects.filter(hour__gte=since)
    offered = {
        "agent": list(Sighting.objects.order_by("agent").values_list("agent", flat=True)),
        "task_type": sorted(set(hours.exclude(task_type=None).values_list("task_type", flat=True).distinct())),
        "model": sorted(set(hours.exclude(model=None).values_list("model", flat=True).distinct())),
    }
    found = []
    for name in ("agent", "status", "task_type", "model", "error_category", "escalation_reason"):
        options = list(_WORDS[name].items()) if name in _WORDS else [(value, value) for value in offered[name]]
        if wanted[name] and wanted[name] not in dict(options):
            options.append((wanted[name], wanted[name]))
        if options:
            found.append(Choice(name, FILTERS[name], wanted[name], options))
    return found


def _chips(query: QueryDict, wanted: dict[str, str]) -> list[Chip]:
    chips = []
    for name, label in FILTERS.items():
        if value := wanted[name]:
            rest = query.copy()
            for gone in (name, "cursor"):
                rest.pop(gone, None)
            chips.append(Chip(f"{label}: {_WORDS.get(name, {}).get(value, value)}", rest.urlencode()))
    return chips


@require_GET
@requires("telemetry.view")
def task_page_view(request: PageRequest, task_id: str) -> HttpResponse:
    """Show one task: straight its trace where it has one, else its traces."""
    settle(request.organization.id)
    task: Task = find_task(task_id)
    if len(task.trace_ids) == 1:
        return redirect("telemetry:trace_page", request.organization.slug, task.trace_ids[0])
    context = {"task": task, "traces": traces_of(task), "time": time_bars(task, end_to_end=True)}
    return page(request, "telemetry/task_page.html", context)


@require_GET
@requires("telemetry.view")
def first_span(request: PageRequest) -> HttpResponse:
    """Tell the onboarding page whether something has arrived."""
    settle(request.organization.id)
    task = Task.objects.order_by("-folded_at").first()
    return page(request, "telemetry/span_first.html", {"task": task}, part="state")

"""Pages of the fleet: the list of agents and an agent's overview."""

import re
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.registry.selectors import versions
from apps.telemetry.models import Task
from apps.telemetry.selectors.expectations import expectation
from apps.telemetry.selectors.fleet import deployments, fleet, fleet_row, sort_fleet, usage
from apps.telemetry.selectors.metrics import breakdown, six_metrics
from apps.telemetry.services.settle import settle
from apps.telemetry.views.breakdowns import outcome_bars, time_bars
from apps.telemetry.views.rows import finding, heads, read_fleet_filter, shown, states
from apps.telemetry.views.scope import read_scope
from apps.telemetry.views.tiles import SHAPES, cards, read_course

ROWS = 50
_NUMBERS = re.compile(r"(\d+)")
VERSIONS = 5
CALLED = 10


@require_GET
@requires("agents.view")
def agent_list(request: PageRequest) -> HttpResponse:
    """Show the fleet, worst first; filters, order and page are kept in the address."""
    settle(request.organization.id)
    scope = read_scope(request)
    wanted = read_fleet_filter(request.GET)
    everyone = fleet(scope.slice())
    found = sort_fleet(filter(wanted.fits, everyone), wanted.sort, is_descending=wanted.is_descending)
    pages = Paginator(found, ROWS).get_page(request.GET.get("page"))
    context = {
        "scope": scope,
        "wanted": wanted,
        "everyone": everyone,
        "pages": pages,
        "rows": [shown(row) for row in pages],
        "heads": heads(wanted),
        "states": states(everyone, wanted),
        "teams": sorted({row.agent.owner_team for row in everyone if row.agent and row.agent.owner_team}),
        "strangers": [row for row in everyone if row.agent is None],
        "unhealthy_count": sum(row.verdict == "unhealthy" for row in everyone),
    }
    return page(request, "telemetry/agent_list.html", context, part="results")


@require_GET
@requires("agents.view")
def agent_page(request: PageRequest, agent: str) -> HttpResponse:
    """Show one agent with its six metrics over time, what they are made of, and its versions."""
    settle(request.organization.id)
    row = fleet_row(agent)
    scope = read_scope(request)
    version = request.GET.get("agent_version") or None
    expected = expectation(row.agent)
    chosen = scope.slice(agent=agent, agent_version=version)
    picture = six_metrics(chosen, kind=expected.kind, baseline=expected.baseline, zone=request.organization.time_zone)
    context = {
        "row": row,
        "agent": row.agent,
        "slug": agent,
        "scope": scope,
        "version": version,
        "picture": picture,
        "state": SHAPES[picture.verdict],
        "finding": finding(picture.metrics, picture.verdict, picture.sums.task_count),
        "cards": cards(picture, scope, read_course(picture), [] if version else deployments(agent)),
        "signs": [(metric, sign) for metric in picture.metrics.values() for sign in metric.signs],
        "called": usage(picture.slice)[:CALLED],
        "by_version": sorted(breakdown(scope.slice(agent=agent), "agent_version"), key=_version_key, reverse=True),
        "by_type": breakdown(picture.slice, "task_type"),
        "time": time_bars(picture.sums),
        **outcome_bars(picture.sums),
        "failures": Task.objects.filter(agent=agent, status="failed").order_by("-started_at")[:5],
        "designs": list(versions(row.agent)[:VERSIONS]) if row.agent else [],
        "tab": "overview",
    }
    return page(request, "telemetry/agent_page.html", context)


def _version_key(item: tuple[str | None, Any]) -> list[tuple[int, str]]:
    """Sort versions as people count: 1.10 after 1.9; what is not stated comes first."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(item[0] or "")]

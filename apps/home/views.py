"""The organization's overview: what needs a person, the six metrics, the fleet, the latest acts."""

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.audit.selectors import entries
from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.home.needs import needs
from apps.telemetry.selectors.fleet import fleet
from apps.telemetry.selectors.metrics import six_metrics
from apps.telemetry.services.settle import settle
from apps.telemetry.views.rows import heads, read_fleet_filter, shown
from apps.telemetry.views.scope import read_scope
from apps.telemetry.views.tiles import read_course, tiles

NEEDS = 6
AGENTS = 8
ACTS = 6


@require_GET
@requires("organization.view")
def home_page(request: PageRequest) -> HttpResponse:
    """Show the overview."""
    settle(request.organization.id)
    scope = read_scope(request)
    chosen = scope.slice()
    picture = six_metrics(chosen, zone=request.organization.time_zone)
    rows = fleet(chosen)
    found = needs(request.organization.slug, rows, chosen.start, now=timezone.now())
    context: dict[str, Any] = {
        "scope": scope,
        "now": timezone.now(),
        "needs": found[:NEEDS],
        "more_needs": found[NEEDS:],
        "need_count": len(found),
        "picture": picture,
        "tiles": tiles(picture, scope, drawn=read_course(picture)),
        "rows": [shown(row) for row in rows[:AGENTS]],
        "row_count": len(rows),
        "heads": [column for column, _, _ in heads(read_fleet_filter(request.GET))],
        "acts": entries()[:ACTS] if request.may("audit.view") else None,
    }
    return page(request, "home/home_page.html", context)

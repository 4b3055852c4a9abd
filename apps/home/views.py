"""The organization's overview: what needs a person, the six metrics, the fleet, the latest acts."""

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.audit.selectors import entries
from apps.core import formats
from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.telemetry.selectors.fleet import FleetRow, fleet, strangers, unpriced_models
from apps.telemetry.selectors.metrics import six_metrics
from apps.telemetry.services.settle import settle
from apps.telemetry.views.scope import read_scope
from apps.telemetry.views.tiles import SHAPES, tiles

SHOWN = 8


class Need(NamedTuple):
    """One thing that a person should look at."""

    verdict: str
    title: str
    text: str
    url: str
    button: str


@require_GET
@requires("organization.view")
def home_page(request: PageRequest) -> HttpResponse:
    """Show the overview."""
    settle(request.organization.id)
    scope = read_scope(request)
    chosen = scope.slice()
    picture = six_metrics(chosen, zone=request.organization.time_zone)
    rows = fleet(chosen)
    found = needs(request, rows, chosen.start)
    context: dict[str, Any] = {
        "scope": scope,
        "now": timezone.now(),
        "needs": found[:SHOWN],
        "need_count": len(found),
        "picture": picture,
        "tiles": tiles(picture.metrics, picture.metrics_before, scope.period_name),
        "rows": rows[:SHOWN],
        "row_count": len(rows),
        "shapes": SHAPES,
        "acts": entries()[:6] if request.may("audit.view") else None,
    }
    return page(request, "home/home_page.html", context)


def needs(request: PageRequest, rows: list[FleetRow], since: datetime) -> list[Need]:
    """Return what needs a person, the most pressing first; each with the page where it is dealt with."""
    slug = request.organization.slug
    return [
        *(_unhealthy(slug, row) for row in rows if row.health and row.verdict == "unhealthy"),
        *(
            Need(
                "unknown",
                f"{sighting.agent} reports traces but is not registered",
                f"Seen first {formats.ago(sighting.first_seen_at, now=timezone.now())}.",
                reverse("telemetry:agent_page", args=[slug, sighting.agent]),
                "Register",
            )
            for sighting in strangers()
        ),
        *(
            Need(
                "watch",
                f"Nobody knows what {model.model} costs",
                f"{formats.count(model.call_count)} calls without a price.",
                reverse("telemetry:task_list", args=[slug]) + f"?model={quote(model.model)}",
                "Open tasks",
            )
            for model in unpriced_models(since)
        ),
        *(
            Need(
                "watch",
                f"{row.slug} has no owner",
                "Nobody answers for what it does.",
                reverse("telemetry:agent_page", args=[slug, row.slug]),
                "Open agent",
            )
            for row in rows
            if row.agent is not None and not row.agent.owner_team and row.agent.owner_person is None
        ),
    ]


def _unhealthy(slug: str, row: FleetRow) -> Need:
    assert row.health is not None
    bad = [metric for metric in row.health.metrics.values() if metric.verdict == "unhealthy"]
    return Need(
        "unhealthy",
        f"{row.slug}: {', '.join(metric.name.lower() for metric in bad)} unhealthy",
        bad[0].reason,
        reverse("telemetry:agent_page", args=[slug, row.slug]),
        "Open agent",
    )

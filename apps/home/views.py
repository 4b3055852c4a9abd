"""The organization's overview: what needs a person, the six metrics, the fleet, the latest acts."""

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.audit.selectors import entries
from apps.core import formats
from apps.core.doors import requires
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
def home_page(request: HttpRequest) -> HttpResponse:
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


def needs(request: HttpRequest, rows: list[FleetRow], since: Any) -> list[Need]:
    """Return what needs a person, the most pressing first; each with the page where it is dealt with."""
    slug = request.organization.slug
    found = []
    for row in rows:
        if row.health is None or row.verdict != "unhealthy":
            continue
        bad = [metric for metric in row.health.metrics.values() if metric.verdict == "unhealthy"]
        words = ", ".join(metric.name.lower() for metric in bad)
        found.append(
            Need(
                "unhealthy",
                f"{row.slug}: {words} unhealthy",
                bad[0].reason,
                reverse("telemetry:agent_page", args=[slug, row.slug]),
                "Open agent",
            )
        )
    for sighting in strangers():
        found.append(
            Need(
                "unknown",
                f"{sighting.agent} reports traces but is not registered",
                f"Seen first {formats.ago(sighting.first_seen_at, now=timezone.now())}.",
                reverse("registry:agent_register", args=[slug]) + f"?slug={sighting.agent}",
                "Register",
            )
        )
    for model in unpriced_models(since):
        found.append(
            Need(
                "watch",
                f"Nobody knows what {model.model} costs",
                f"{formats.count(model.call_count)} calls without a price.",
                reverse("telemetry:price_list", args=[slug]),
                "Set price",
            )
        )
    for row in rows:
        if row.agent is not None and not row.agent.owner_team and row.agent.owner_person is None:
            found.append(
                Need(
                    "watch",
                    f"{row.slug} has no owner",
                    "Nobody answers for what it does.",
                    reverse("registry:design_page", args=[slug, row.slug]),
                    "Assign owner",
                )
            )
    return found

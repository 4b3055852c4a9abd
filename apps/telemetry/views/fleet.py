"""Pages of the fleet: the list of agents and an agent's overview."""

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_GET

from apps.core.doors import PageRequest, requires
from apps.core.pages import page
from apps.registry.models import STATUSES, Agent
from apps.telemetry.models import Sighting, Task
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.rules.sums import COMPONENTS
from apps.telemetry.selectors.expectations import expectation
from apps.telemetry.selectors.fleet import deployments, fleet
from apps.telemetry.selectors.metrics import Picture, breakdown, six_metrics
from apps.telemetry.services.settle import settle
from apps.telemetry.views.scope import read_scope
from apps.telemetry.views.tiles import SHAPES, cards

COMPONENT_NAMES = {
    "model_us": "Models",
    "tool_us": "Tools",
    "human_us": "Waiting for people",
    "queue_us": "Queue",
    "own_us": "Own work",
}


@require_GET
@requires("agents.view")
def agent_list(request: PageRequest) -> HttpResponse:
    """Show the fleet, worst first."""
    settle(request.organization.id)
    scope = read_scope(request)
    wanted = {name: request.GET.get(name, "").strip() for name in ("text", "status", "team", "kind", "sort")}
    rows = fleet(scope.slice(), **wanted)
    context = {
        "rows": rows,
        "scope": scope,
        "wanted": wanted,
        "is_filtered": any(wanted[name] for name in ("text", "status", "team", "kind")),
        "statuses": STATUSES,
        "shapes": SHAPES,
        "teams": sorted({team for team in Agent.objects.values_list("owner_team", flat=True) if team}),
        "unhealthy_count": sum(1 for row in rows if row.verdict == "unhealthy"),
        "unregistered_count": sum(1 for row in rows if row.agent is None),
    }
    return page(request, "telemetry/agent_list.html", context, part="results")


@require_GET
@requires("agents.view")
def agent_page(request: PageRequest, agent: str) -> HttpResponse:
    """Show one agent with its six metrics over time and what they are made of."""
    settle(request.organization.id)
    registered = Agent.objects.select_related("owner_person__user", "current_version").filter(slug=agent).first()
    sighting = Sighting.objects.filter(agent=agent).first()
    if registered is None and sighting is None:
        raise Http404
    scope = read_scope(request)
    expected = expectation(registered)
    picture = six_metrics(
        scope.slice(agent=agent),
        kind=expected.kind,
        baseline=expected.baseline,
        zone=request.organization.time_zone,
    )
    chosen = picture.slice
    context = {
        "slug": agent,
        "agent": registered,
        "sighting": sighting,
        "scope": scope,
        "tab": "overview",
        "picture": picture,
        "state": SHAPES[picture.verdict],
        "cards": cards(picture.metrics, picture.metrics_before, scope.period_name, deployments(agent, chosen.start)),
        "signs": [(metric, sign) for metric in picture.metrics.values() for sign in metric.signs],
        "models": breakdown(chosen, "model"),
        "versions": breakdown(chosen, "agent_version"),
        "types": breakdown(chosen, "task_type"),
        **parts(picture),
        "failures": Task.objects.filter(agent=agent, status="failed", started_at__gte=chosen.start).order_by(
            "-started_at"
        )[:5],
    }
    return page(request, "telemetry/agent_page.html", context)


def parts(picture: Picture) -> dict[str, list[tuple[str, str, float, float]]]:
    """Return what latency, escalations and errors are made of: (key, name, amount, share of the whole)."""
    sums = picture.sums
    times = [(name, COMPONENT_NAMES[name], getattr(sums, name)) for name in COMPONENTS]
    reasons = [(key, ESCALATION_REASONS.get(key, key), count) for key, count in sums.by_reason.items()]
    errors = [(key, ERROR_CATEGORIES.get(key, key), count) for key, count in sums.by_error.items()]
    return {"components": _shares(times), "reasons": _shares(reasons), "errors": _shares(errors)}


def _shares(items: list[tuple[str, str, int]]) -> list[tuple[str, str, float, float]]:
    whole = sum(amount for _, _, amount in items) or 1
    return [
        (key, name, amount, round(amount / whole * 100, 1))
        for key, name, amount in sorted(items, key=lambda item: -item[2])
        if amount
    ]

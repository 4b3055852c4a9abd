"""The fleet as a list: registered agents and strangers, each with its six verdicts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, Sum

from apps.registry.models import Agent
from apps.registry.selectors import agents, registered_slugs
from apps.telemetry.models import Sighting, TaskHour, UsageHour
from apps.telemetry.rules.six import VERDICT_ORDER
from apps.telemetry.selectors.expectations import expectation
from apps.telemetry.selectors.metrics import AgentHealth, Slice, fleet_health


@dataclass(frozen=True)
class FleetRow:
    """One agent of the list. `agent` is None for one that is seen but not registered."""

    slug: str
    agent: Agent | None
    health: AgentHealth | None
    sighting: Sighting | None

    @property
    def verdict(self) -> str:
        """Return the worst of its six verdicts."""
        return self.health.verdict if self.health else "no_data"

    @property
    def task_count(self) -> int:
        """Return its tasks in the period."""
        return self.health.sums.task_count if self.health else 0


def fleet(
    chosen: Slice, *, text: str = "", status: str = "", team: str = "", kind: str = "", sort: str = ""
) -> list[FleetRow]:
    """Return the fleet, worst first; `kind` narrows to “unregistered” or “unowned”, `sort` is “name” or “tasks”."""
    expected = {agent.slug: expectation(agent) for agent in agents()}
    health = {
        item.agent: item
        for item in fleet_health(
            chosen,
            kinds={slug: found.kind for slug, found in expected.items()},
            baselines={slug: found.baseline for slug, found in expected.items()},
        )
    }
    sightings = {sighting.agent: sighting for sighting in Sighting.objects.all()}
    registered = list(agents(text=text, status=status, team=team, is_unowned=kind == "unowned"))
    rows = [FleetRow(agent.slug, agent, health.get(agent.slug), sightings.get(agent.slug)) for agent in registered]
    if kind == "unregistered":
        rows = []
    if not (status or team) and kind in ("", "unregistered"):
        known = registered_slugs()
        rows += [
            FleetRow(slug, None, health.get(slug), sighting)
            for slug, sighting in sightings.items()
            if slug not in known and text.lower() in slug
        ]
    if sort == "name":
        return sorted(rows, key=lambda row: row.slug)
    if sort == "tasks":
        return sorted(rows, key=lambda row: (-row.task_count, row.slug))
    rank = list(VERDICT_ORDER)
    return sorted(rows, key=lambda row: (-rank.index(row.verdict), row.agent is not None, -row.task_count, row.slug))


def strangers() -> list[Sighting]:
    """Return agents that report but are not registered, the latest first."""
    known = registered_slugs()
    return [sighting for sighting in Sighting.objects.order_by("-last_seen_at") if sighting.agent not in known]


def deployments(agent: str, since: datetime) -> list[tuple[datetime, str]]:
    """Return when each version of an agent was first seen in the period (its first hour with tasks)."""
    rows = (
        TaskHour.objects.filter(agent=agent, hour__gte=since - timedelta(days=1))
        .exclude(agent_version=None)
        .values_list("agent_version")
        .annotate(first=Min("hour"))
        .order_by("first")
    )
    return [(first, version) for version, first in rows if first >= since]


@dataclass(frozen=True)
class UnpricedModel:
    """A model whose calls cost nobody knows what."""

    model: str
    provider: str
    call_count: int


def unpriced_models(since: datetime) -> list[UnpricedModel]:
    """Return the models without a price that were called since then, the most used first."""
    rows = (
        UsageHour.objects.filter(hour__gte=since, unpriced_count__gt=0)
        .exclude(model=None)
        .values_list("model", "provider")
        .annotate(calls=Sum("unpriced_count"))
        .order_by("-calls")
    )
    return [UnpricedModel(model, provider or "", calls) for model, provider, calls in rows]

"""The fleet as people see it: registered agents and strangers, each with how it does; and what they call."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Min, QuerySet, Sum

from apps.core.errors import Missing
from apps.registry.models import Agent
from apps.registry.rules.reading import is_environment
from apps.registry.selectors import agents, registered_slugs
from apps.telemetry.models import Sighting, TaskHour, UsageHour
from apps.telemetry.rules import six
from apps.telemetry.rules.agents import UNKNOWN_AGENT
from apps.telemetry.rules.sums import Sums
from apps.telemetry.selectors.expectations import expectation
from apps.telemetry.selectors.metrics import AgentHealth, Slice, fleet_health

METRIC_KEYS = tuple(six.DEFINITIONS)
# How an agent without a task in the period is judged.
_SILENT = six.judge(six.Course(Sums()))


@dataclass(frozen=True)
class FleetRow:
    """One agent. `agent` is None for one that is seen but not registered, `health` for one without tasks."""

    slug: str
    agent: Agent | None
    health: AgentHealth | None
    sighting: Sighting | None

    @property
    def metrics(self) -> dict[str, six.Metric]:
        """Return the six metrics; without a task each says so."""
        return self.health.metrics if self.health else _SILENT

    @property
    def verdict(self) -> str:
        """Return the worst of its six verdicts."""
        return self.health.verdict if self.health else "no_data"

    @property
    def unhealthy(self) -> list[six.Metric]:
        """Return the metrics that are unhealthy."""
        return [metric for metric in self.metrics.values() if metric.verdict == "unhealthy"]

    @property
    def task_count(self) -> int:
        """Return its tasks in the period."""
        return self.health.sums.task_count if self.health else 0

    @property
    def status(self) -> str:
        """Return its status; `unregistered` where nobody has registered it."""
        return self.agent.status if self.agent else "unregistered"

    @property
    def environment(self) -> str:
        """Return where it reports from, if the registry knows such an environment; else nothing."""
        sent = (self.sighting.environment if self.sighting else None) or ""
        return sent if is_environment(sent) else ""

    @property
    def is_unowned(self) -> bool:
        """Tell whether it is registered and nobody answers for it."""
        return self.agent is not None and not self.agent.owner_team and self.agent.owner_person is None

    @property
    def needs_attention(self) -> bool:
        """Tell whether a person should look at it."""
        return self.verdict in ("watch", "unhealthy") or self.agent is None or self.is_unowned


@dataclass(frozen=True)
class Usage:
    """The calls of one model or tool."""

    name: str
    provider: str
    kind: str
    call_count: int
    error_count: int
    unpriced_count: int
    tokens: int
    cost_usd: Decimal
    duration_us: int

    @property
    def error_rate(self) -> float | None:
        """Return the share of calls that failed."""
        return self.error_count / self.call_count if self.call_count else None

    @property
    def mean_us(self) -> float | None:
        """Return how long a call takes on average."""
        return self.duration_us / self.call_count if self.call_count else None


@dataclass(frozen=True)
class UnpricedModel:
    """A model whose calls cost nobody knows what."""

    model: str
    provider: str
    call_count: int


def fleet(chosen: Slice) -> list[FleetRow]:
    """Return every agent that is registered or was seen, the worst verdict first."""
    registered = {agent.slug: agent for agent in agents()}
    sightings = {sighting.agent: sighting for sighting in Sighting.objects.all()}
    expected = {slug: expectation(agent) for slug, agent in registered.items()}
    kinds = {slug: found.kind for slug, found in expected.items()}
    baselines = {slug: found.baseline for slug, found in expected.items()}
    health = {item.agent: item for item in fleet_health(chosen, kinds=kinds, baselines=baselines)}
    slugs = registered.keys() | sightings.keys()
    return sort_fleet(FleetRow(slug, registered.get(slug), health.get(slug), sightings.get(slug)) for slug in slugs)


def sort_fleet(rows: Iterable[FleetRow], key: str = "verdict", *, is_descending: bool = False) -> list[FleetRow]:
    """Return the fleet by `verdict` (worst first), `name`, `status`, `tasks` or a metric; unknown values last."""
    found = sorted(rows, key=lambda row: (row.agent is not None, -row.task_count, row.slug))
    if key in METRIC_KEYS:
        known = [row for row in found if row.metrics[key].value is not None]
        known.sort(key=lambda row: float(row.metrics[key].value or 0), reverse=is_descending)
        return known + [row for row in found if row.metrics[key].value is None]
    rank = {verdict: -place for place, verdict in enumerate(six.VERDICT_ORDER)}
    keys: dict[str, Callable[[FleetRow], Any]] = {
        "name": lambda row: row.slug,
        "status": lambda row: row.status,
        "tasks": lambda row: row.task_count,
    }
    return sorted(found, key=keys.get(key, lambda row: rank[row.verdict]), reverse=is_descending)


def fleet_row(slug: str) -> FleetRow:
    """Return one agent without its health; raises Missing if it was neither registered nor seen."""
    agent = agents().filter(slug=slug).first()
    sighting = Sighting.objects.filter(agent=slug).first()
    if agent is None and sighting is None:
        raise Missing(f"There is no agent {slug}.", code="agent_missing")
    return FleetRow(slug, agent, None, sighting)


def strangers() -> list[Sighting]:
    """Return agents that report but are not registered, the latest first."""
    found = Sighting.objects.exclude(agent__in=registered_slugs()).exclude(agent=UNKNOWN_AGENT)
    return list(found.order_by("-last_seen_at"))


def deployments(agent: str) -> list[tuple[datetime, str]]:
    """Return when each version of an agent was first at work (its first hour with tasks); the first is no change."""
    rows = (
        TaskHour.objects.filter(agent=agent)
        .exclude(agent_version=None)
        .values_list("agent_version")
        .annotate(first=Min("hour"))
        .order_by("first")
    )
    return [(first, version) for version, first in rows][1:]


def usage(chosen: Slice) -> list[Usage]:
    """Return what a slice's tasks called: models and tools, the dearest and most frequent first."""
    rows = (
        _usage_hours(chosen)
        .values("provider", "model", "tool")
        .annotate(
            calls=Sum("call_count"),
            errors=Sum("error_count"),
            unpriced=Sum("unpriced_count"),
            entered=Sum("input_tokens"),
            answered=Sum("output_tokens"),
            cost=Sum("cost_usd"),
            took=Sum("duration_us"),
        )
    )
    found = [
        Usage(
            name=row["tool"] or row["model"] or "unnamed",
            provider=row["provider"] or "",
            kind="tool" if row["tool"] else "model",
            call_count=row["calls"],
            error_count=row["errors"],
            unpriced_count=row["unpriced"],
            tokens=row["entered"] + row["answered"],
            cost_usd=row["cost"],
            duration_us=row["took"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda item: (-item.cost_usd, -item.call_count, item.name))


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


def _usage_hours(chosen: Slice) -> QuerySet[UsageHour]:
    rows = UsageHour.objects.filter(hour__gte=chosen.start, hour__lt=chosen.end)
    for name in ("agent", "agent_version", "environment"):
        if (wanted := getattr(chosen, name)) is not None:
            rows = rows.filter(**{name: wanted})
    return rows

"""What the figures of a page cover: period and environment, kept in the address."""

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest

from apps.telemetry.models import Sighting
from apps.telemetry.selectors.metrics import Slice, recent

PERIODS = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
}
DEFAULT_PERIOD = "7d"


@dataclass(frozen=True)
class Scope:
    """The visitor's choice, and what there is to choose from."""

    period: str
    environment: str
    environments: list[str]

    @property
    def periods(self) -> list[tuple[str, str]]:
        """Return the periods to choose from."""
        return [(key, name) for key, (name, _) in PERIODS.items()]

    @property
    def length(self) -> timedelta:
        """Return the length of the period."""
        return PERIODS[self.period][1]

    @property
    def period_name(self) -> str:
        """Return the period as people read it: 7 days."""
        return PERIODS[self.period][0].removeprefix("Last ")

    def slice(self, **dimensions: str | None) -> Slice:
        """Return the slice of tasks that is meant."""
        return recent(self.length, environment=self.environment or None, **dimensions)


def read_scope(request: HttpRequest) -> Scope:
    """Read the choice from the address; what is not known there counts as not chosen."""
    period = request.GET.get("period", DEFAULT_PERIOD)
    environments = sorted(Sighting.objects.exclude(environment=None).values_list("environment", flat=True).distinct())
    environment = request.GET.get("environment", "")
    return Scope(
        period if period in PERIODS else DEFAULT_PERIOD,
        environment if environment in environments else "",
        environments,
    )

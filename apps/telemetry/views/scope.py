"""What the figures of a page cover: period and environment, kept in the address."""

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest

from apps.telemetry.models import Sighting
from apps.telemetry.selectors.metrics import Slice, everything, recent

PERIODS: dict[str, tuple[str, timedelta | None]] = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
    "all": ("All time", None),
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
    def name(self) -> str:
        """Return the period as the control shows it: Last 7 days."""
        return PERIODS[self.period][0]

    @property
    def words(self) -> str:
        """Return the period inside a sentence: in 7 days; of all time."""
        return "of all time" if self.period == "all" else f"in {self.name.removeprefix('Last ')}"

    @property
    def before(self) -> str:
        """Return what figures are compared with: the 7 days before; nothing for all time."""
        return "" if self.period == "all" else f"the {self.name.removeprefix('Last ')} before"

    @property
    def query(self) -> str:
        """Return the choice as it stands in addresses, to be passed on to other pages."""
        pairs = [("period", self.period if self.period != DEFAULT_PERIOD else ""), ("environment", self.environment)]
        return "".join(f"&{name}={value}" for name, value in pairs if value)

    def slice(self, **dimensions: str | None) -> Slice:
        """Return the slice of tasks that is meant."""
        length = PERIODS[self.period][1]
        chosen = {"environment": self.environment or None, **dimensions}
        if length is None:
            whole = everything()
            return Slice(start=whole.start, end=whole.end, **chosen)
        return recent(length, **chosen)


def read_scope(request: HttpRequest) -> Scope:
    """Read the choice from the address; what is not known there counts as not chosen."""
    period = request.GET.get("period", DEFAULT_PERIOD)
    seen = Sighting.objects.exclude(environment=None).exclude(environment="").values_list("environment", flat=True)
    environments = sorted(set(seen.distinct()))
    environment = request.GET.get("environment", "")
    return Scope(
        period if period in PERIODS else DEFAULT_PERIOD,
        environment if environment in environments else "",
        environments,
    )

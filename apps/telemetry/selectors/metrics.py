"""The six metrics read from the hours: any slice, any interval of hours, in a fixed number of queries.

Counters are summed by PostgreSQL; histograms travel as arrays and merge here (faster than unnesting them in SQL). The
ragged edges of a period that does not begin or end on the hour, and series finer than an hour, come from the tasks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection
from django.utils import timezone

from apps.core.errors import DomainError
from apps.core.tenancy import current_organization_id
from apps.telemetry.rules import six
from apps.telemetry.rules.sums import AMOUNTS, COUNTERS, TASK_FIELDS, Sums

DIMENSIONS = ("agent", "agent_version", "environment", "task_type", "model")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DEFAULT_PERIOD = timedelta(days=7)
MOST_POINTS = 2000
# Up to here single hours are read too, for the time-of-day sign.
LONGEST_CLOCK = timedelta(days=35)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Slice:
    """Which tasks: of an agent, version, environment, type and primary model (None: all), begun in [start, end)."""

    start: datetime
    end: datetime
    agent: str | None = None
    agent_version: str | None = None
    environment: str | None = None
    task_type: str | None = None
    model: str | None = None

    @property
    def before(self) -> "Slice":
        """Return the same slice of the period of the same length just before."""
        return replace(self, start=self.start - (self.end - self.start), end=self.start)


@dataclass(frozen=True)
class Picture:
    """The six metrics of a slice, with what they were computed from."""

    slice: Slice
    sums: Sums
    before: Sums
    days: list[tuple[datetime, Sums]]
    metrics: dict[str, six.Metric]
    metrics_before: dict[str, six.Metric]

    @property
    def verdict(self) -> str:
        """Return the worst of the six verdicts."""
        return six.worst_verdict(self.metrics)


@dataclass(frozen=True)
class AgentHealth:
    """One agent of the fleet with its six metrics."""

    agent: str
    sums: Sums
    days: list[tuple[datetime, Sums]]
    metrics: dict[str, six.Metric]

    @property
    def verdict(self) -> str:
        """Return the worst of the six verdicts."""
        return six.worst_verdict(self.metrics)


def recent(period: timedelta = DEFAULT_PERIOD, **dimensions: str | None) -> Slice:
    """Return the slice of the last `period` until now; the current hour counts whole."""
    now = timezone.now()
    return Slice(start=_floor(now - period), end=now + timedelta(seconds=1), **dimensions)


def everything() -> Slice:
    """Return the slice of all tasks there are."""
    return Slice(start=_EPOCH, end=_ceil(timezone.now()) + HOUR)


def six_metrics(
    chosen: Slice, *, kind: str = six.DEFAULT_KIND, baseline: six.Baseline | None = None, zone: str = "UTC"
) -> Picture:
    """Return the six metrics of a slice, compared with the period before."""
    hours: list[tuple[datetime, Sums]] = []
    if chosen.end - chosen.start <= LONGEST_CLOCK:
        hours = _by_time(read_sums(chosen, by=("hour",)))
        days = _days_of(hours, zone)
    else:
        days = _by_time(read_sums(chosen, by=("day",), zone=zone))
    sums = Sums.of(part for _, part in days)
    before = read_sums(chosen.before).get((), Sums())
    return Picture(
        slice=chosen,
        sums=sums,
        before=before,
        days=days,
        metrics=six.judge(six.Course(sums, before, days, hours), kind=kind, baseline=baseline),
        metrics_before=six.judge(six.Course(before), kind=kind, baseline=baseline),
    )


def fleet_health(
    chosen: Slice,
    *,
    kinds: dict[str, str] | None = None,
    baselines: dict[str, six.Baseline | None] | None = None,
    zone: str = "UTC",
) -> list[AgentHealth]:
    """Return every agent that had tasks, the worst verdict first, in as many queries as one agent needs."""
    found = read_sums(chosen, by=("agent", "day"), zone=zone)
    before = read_sums(chosen.before, by=("agent",))
    days: dict[str, list[tuple[datetime, Sums]]] = {}
    for (agent, day), sums in sorted(found.items()):
        days.setdefault(agent, []).append((day, sums))
    fleet = []
    for agent, course in days.items():
        sums = Sums.of(part for _, part in course)
        metrics = six.judge(
            six.Course(sums, before.get((agent,)), course),
            kind=(kinds or {}).get(agent, six.DEFAULT_KIND),
            baseline=(baselines or {}).get(agent),
        )
        fleet.append(AgentHealth(agent, sums, course, metrics))
    rank = list(six.VERDICT_ORDER)
    return sorted(fleet, key=lambda item: (-rank.index(item.verdict), -item.sums.task_count, item.agent))


def breakdown(chosen: Slice, dimension: str) -> list[tuple[str | None, Sums]]:
    """Return the slice's sums per value of one of DIMENSIONS, the most frequent first."""
    if dimension not in DIMENSIONS:
        raise DomainError(f"Break down by one of {', '.join(DIMENSIONS)}.", code="dimension_unknown", field="by")
    found = read_sums(chosen, by=(dimension,))
    return sorted(((key[0], sums) for key, sums in found.items()), key=lambda item: -item[1].task_count)


def series(chosen: Slice, interval: timedelta, *, zone: str = "UTC") -> list[tuple[datetime, Sums]]:
    """Return the slice's sums at every interval, empty ones included (a gap is a gap).

    Intervals of whole hours come from the rollups, finer ones from the tasks. Raises DomainError for too many points.
    """
    if interval <= timedelta(0) or (chosen.end - chosen.start) / interval > MOST_POINTS:
        raise DomainError(
            f"That is more than {MOST_POINTS} points: choose a longer interval or a shorter period.",
            code="too_many_points",
            field="interval",
        )
    if interval == DAY:
        found = {key[0]: sums for key, sums in read_sums(chosen, by=("day",), zone=zone).items()}
        if zone != "UTC":
            return sorted(found.items())
    elif interval % HOUR == timedelta(0):
        found = _binned(_by_time(read_sums(chosen, by=("hour",))), interval)
    else:
        found = {key[0]: sums for key, sums in _read_tasks(chosen, (), interval=interval).items()}
    first = _bin(chosen.start, interval)
    count = -((first - chosen.end) // interval)
    return [(at, found.get(at, Sums())) for at in (first + interval * step for step in range(count))]


def read_sums(
    chosen: Slice, *, by: Sequence[str] = (), zone: str = "UTC", with_histograms: bool = True
) -> dict[Key, Sums]:
    """Return the slice's sums per value of `by` (DIMENSIONS, "hour", "day"); without `by` under the key ().

    Without histograms (counters over years) there are no percentiles.
    """
    first, last = _ceil(chosen.start), _floor(chosen.end)
    if chosen.end > timezone.now():
        # Nothing has begun after now, so the running hour counts whole.
        last = _ceil(chosen.end)
    if first >= last:
        return _read_tasks(chosen, by, zone=zone)
    found = _read_hours(replace(chosen, start=first, end=last), by, zone, with_histograms)
    for edge in (replace(chosen, end=first), replace(chosen, start=last)):
        if edge.start < edge.end:
            for key, sums in _read_tasks(edge, by, zone=zone).items():
                found.setdefault(key, Sums()).add(sums)
    return found


def _read_hours(chosen: Slice, by: Sequence[str], zone: str, with_histograms: bool) -> dict[Key, Sums]:
    where, values = _where(chosen, "hour")
    keys, key_values = _keys(by, "hour", zone)
    sums = [f"sum({name})::bigint" for name in COUNTERS] + [f"sum({name})" for name in AMOUNTS]
    group = f"GROUP BY {', '.join(str(index + 1) for index in range(len(keys)))}" if keys else ""
    found: dict[Key, Sums] = {}
    width = len(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join([*keys, *sums])} FROM telemetry_taskhour WHERE {where} {group}",  # noqa: S608 - names from this module
            [*key_values, *values],
        )
        for row in cursor.fetchall():
            if row[width]:
                found.setdefault(row[:width], Sums()).add_counts(row[width:])
        columns = [*keys, "by_reason", "by_error", "by_outcome"]
        if with_histograms:
            columns += ["latency_buckets", "latency_counts", "cost_buckets", "cost_counts"]
        else:
            where += " AND NOT (by_reason = '{}' AND by_error = '{}' AND by_outcome = '{}')"
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM telemetry_taskhour WHERE {where}",  # noqa: S608 - names from this module
            [*key_values, *values],
        )
        for row in cursor.fetchall():
            part = found.get(row[:width])
            # An hour that was replaced between the two statements is complete the next time.
            if part is None:
                continue
            reasons, errors, outcomes, *arrays = row[width:]
            if reasons != "{}" or errors != "{}" or outcomes != "{}":
                part.add_maps(*(msgspec.json.decode(text) for text in (reasons, errors, outcomes)))
            if with_histograms:
                part.latency.merge_arrays(arrays[0], arrays[1])
                part.cost.merge_arrays(arrays[2], arrays[3])
    return found


def _read_tasks(
    chosen: Slice, by: Sequence[str], *, zone: str = "UTC", interval: timedelta | None = None
) -> dict[Key, Sums]:
    where, values = _where(chosen, "started_at")
    keys, key_values = _keys(by, "started_at", zone)
    if interval is not None:
        keys, key_values = ["date_bin(%s, started_at, %s)"], [interval, _EPOCH]
    width = len(keys)
    found: dict[Key, Sums] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join([*keys, *TASK_FIELDS])} FROM telemetry_task WHERE {where}",  # noqa: S608 - names from this module
            [*key_values, *values],
        )
        for row in cursor.fetchall():
            found.setdefault(row[:width], Sums()).add_task(dict(zip(TASK_FIELDS, row[width:], strict=True)))
    return found


def _where(chosen: Slice, moment: str) -> tuple[str, list[Any]]:
    conditions = ["organization_id = %s", f"{moment} >= %s", f"{moment} < %s"]
    values: list[Any] = [current_organization_id(), chosen.start, chosen.end]
    for name in DIMENSIONS:
        if (wanted := getattr(chosen, name)) is not None:
            conditions.append(f"{name} = %s")
            values.append(wanted)
    return " AND ".join(conditions), values


def _keys(by: Sequence[str], moment: str, zone: str) -> tuple[list[str], list[Any]]:
    keys, values = [], []
    for name in by:
        if name == "day":
            keys.append(f"date_trunc('day', {moment}, %s)")
            values.append(zone)
        elif name == "hour":
            keys.append(f"date_trunc('hour', {moment}, 'UTC')")
        else:
            keys.append(name)
    return keys, values


def _by_time(found: dict[Key, Sums]) -> list[tuple[datetime, Sums]]:
    return sorted(((key[0], sums) for key, sums in found.items()), key=lambda item: item[0])


def _days_of(hours: Iterable[tuple[datetime, Sums]], zone: str) -> list[tuple[datetime, Sums]]:
    """Sum hours up to the days of a time zone."""
    local = ZoneInfo(zone)
    found: dict[datetime, Sums] = {}
    for at, sums in hours:
        midnight = at.astimezone(local).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        found.setdefault(midnight, Sums()).add(sums)
    return sorted(found.items())


def _binned(parts: Iterable[tuple[datetime, Sums]], interval: timedelta) -> dict[datetime, Sums]:
    found: dict[datetime, Sums] = {}
    for at, sums in parts:
        found.setdefault(_bin(at, interval), Sums()).add(sums)
    return found


def _bin(moment: datetime, interval: timedelta) -> datetime:
    return _EPOCH + (moment - _EPOCH) // interval * interval


def _floor(moment: datetime) -> datetime:
    return _bin(moment, HOUR)


def _ceil(moment: datetime) -> datetime:
    return -((_EPOCH - moment) // HOUR) * HOUR + _EPOCH

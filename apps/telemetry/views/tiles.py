"""Metrics as tiles and cards: value, verdict, shape over time, range; always in this order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from apps.core import charts, formats
from apps.telemetry.rules import course
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.rules.six import Metric
from apps.telemetry.rules.sums import Sums
from apps.telemetry.selectors.metrics import Picture, series
from apps.telemetry.views.scope import Scope

# Verdict words of the rules → the shapes of the page.
SHAPES = {"healthy": "healthy", "watch": "watch", "unhealthy": "unhealthy", "no_data": "unknown"}
LABELS = {"latency": "Latency p95"}
# Which tasks a figure was computed from: its link into the list of tasks.
_ROWS = {"error_rate": {"status": "failed"}, "escalation_rate": {"escalation_reason": "any"}}


class Tile(NamedTuple):
    """One metric for the eye."""

    key: str
    label: str
    value: str
    unit: str
    verdict: str
    words: str
    reason: str
    note: str
    rows: str
    definition: str
    spark: charts.Spark | None = None


class Card(NamedTuple):
    """One metric with its chart, what it is made of, and its warning signs."""

    tile: Tile
    chart: charts.Chart | None
    detail: str
    signs: list[str]


class Course(NamedTuple):
    """The picture's sums at regular intervals, and how many tasks a point of a line needs."""

    times: list[datetime]
    sums: list[Sums]
    least: int

    def lines(self, metric: Metric) -> list[list[float | None]]:
        """Return the values of a metric at every interval, one list per line."""
        outcome = metric.details.get("outcome")
        values = [course.values(metric.key, sums, outcome=outcome, least=self.least) for sums in self.sums]
        return [list(line) for line in zip(*values, strict=True)]


def read_course(picture: Picture) -> Course:
    """Read the course of a picture at an interval that suits its length and its number of tasks."""
    chosen = picture.slice
    if chosen.end - chosen.start > timedelta(days=400) and picture.days:
        # All time begins with the first task, not with the epoch.
        chosen = replace(chosen, start=picture.days[0][0])
    length = chosen.end - chosen.start
    points = series(chosen, course.interval_for(length, picture.sums.task_count)) if picture.days else []
    sums = [sums for _, sums in points]
    return Course([at for at, _ in points], sums, course.least_for([item.task_count for item in sums]))


def tiles(picture: Picture, scope: Scope, *, drawn: Course | None = None) -> list[Tile]:
    """Return the six tiles, with sparklines where a course is given."""
    found = []
    for metric in picture.metrics.values():
        tile = _tile(metric, picture, scope)
        if drawn is not None:
            line = next(iter(drawn.lines(metric)), [])
            tile = tile._replace(spark=charts.spark(line, band=_band(metric), label=_finding(tile, scope)))
        found.append(tile)
    return found


def cards(
    picture: Picture, scope: Scope, drawn: Course, deployments: Sequence[tuple[datetime, str]] = ()
) -> list[Card]:
    """Return the six cards with their charts; deployments are marked in each."""
    found = []
    for metric in picture.metrics.values():
        tile = _tile(metric, picture, scope)
        chart = charts.chart(
            drawn.times,
            drawn.lines(metric),
            band=_band(metric),
            events=deployments,
            texts=charts.Texts(metric.unit),
            label=_finding(tile, scope),
            ceiling=1.0 if metric.unit == "share" else None,
        )
        found.append(Card(tile, chart, _detail(metric), [f"{sign.title}: {sign.text}" for sign in metric.signs]))
    return found


def reading(metric: Metric) -> tuple[str, str]:
    """Return a metric's value and its unit as they are written."""
    if metric.value is None:
        return formats.UNKNOWN, ""
    if metric.unit == "share":
        return f"{float(metric.value) * 100:.1f}", "%"
    if metric.unit == "usd":
        return formats.money(metric.value), ""
    text = formats.duration(float(metric.value))
    head, _, tail = text.partition(" ")
    return (head, tail) if text.count(" ") == 1 else (text, "")


def spaced(metric: Metric) -> tuple[str, str]:
    """Return a metric's value and unit to be written as one text: 91.4%, 21.8 s."""
    value, unit = reading(metric)
    return value, unit if unit in ("", "%") else f" {unit}"


def words(metric: Metric) -> str:
    """Return the verdict in at most three words: what is wrong rather than that something is."""
    if metric.verdict == "watch" and metric.signs and metric.reason.startswith(metric.signs[0].title.capitalize()):
        return metric.signs[0].title
    if metric.verdict in ("watch", "unhealthy"):
        for word in ("above", "below"):
            if f" {word} " in metric.reason:
                limit = metric.reason.partition(f" {word} ")[2].partition(";")[0]
                return f"{word.capitalize()} {limit}" if len(limit) <= 8 else metric.verdict_name
        if "improvement" in metric.reason:
            return "No improvement"
    return metric.verdict_name


def _tile(metric: Metric, picture: Picture, scope: Scope) -> Tile:
    value, unit = reading(metric)
    notes = [note for note in (_difference(metric, picture.metrics_before.get(metric.key)), limits(metric)) if note]
    if metric.verdict == "no_data" and not notes:
        notes = [f"{formats.count(metric.sample)} tasks"]
    named = metric.details.get("outcome") if metric.key == "business_outcome" else None
    return Tile(
        metric.key,
        named[:1].upper() + named[1:] if named else LABELS.get(metric.key, metric.name),
        value,
        unit,
        SHAPES[metric.verdict],
        words(metric),
        metric.reason,
        " · ".join(notes),
        _rows(metric.key, picture) + scope.query,
        metric.definition,
    )


def _rows(key: str, picture: Picture) -> str:
    chosen = {"agent": picture.slice.agent, "agent_version": picture.slice.agent_version}
    return urlencode({name: value for name, value in {**chosen, **_ROWS.get(key, {})}.items() if value})


def _finding(tile: Tile, scope: Scope) -> str:
    return f"{tile.label} {scope.words}: {tile.value}{tile.unit}, {tile.words.lower()}"


def _band(metric: Metric) -> tuple[float | None, float | None]:
    # The range of costs is a share of the value, which the line of dollars does not show.
    return (None, None) if metric.unit == "usd" else (metric.range_low, metric.range_high)


def _difference(metric: Metric, before: Metric | None) -> str:
    if before is None or metric.value is None or before.value is None:
        return ""
    if metric.unit == "share":
        return formats.points(float(metric.value) - float(before.value))
    if float(before.value) == 0:
        return ""
    change = float(metric.value) / float(before.value) - 1
    return f"{change * 100:+.0f}%".replace("-", formats.MINUS)


def limits(metric: Metric) -> str:
    """Return the healthy range: range 85–95%, under 30 s."""
    low, high = metric.range_low, metric.range_high
    if metric.key == "business_outcome":
        return f"baseline {low * 100:.0f}%" if low is not None else ""
    if metric.unit == "usd":
        part = metric.details.get("value_share")
        return f"{part * 100:.1f}% of value, limit 10%" if part is not None else ""
    if high is None:
        return ""
    if metric.unit == "share":
        return f"range {low * 100:.0f}–{high * 100:.0f}%" if low else f"under {high * 100:.0f}%"
    return f"under {formats.whole_duration(high)}"


def _detail(metric: Metric) -> str:
    """Return what a metric is made of, in one line."""
    text = _parts(metric)
    return text if text.startswith("p5") else text[:1].upper() + text[1:]


def _parts(metric: Metric) -> str:
    details = metric.details
    if metric.key == "latency":
        return f"p50 {formats.duration(details['p50_us'])}, p99 {formats.duration(details['p99_us'])}"
    if metric.key == "cost_per_task":
        parts = [f"{formats.money(details['total_usd'])} in all", f"p95 {formats.money(details['p95_usd'])}"]
        unpriced = details["unpriced_tasks"]
        return ", ".join([*parts, f"{formats.count(unpriced)} tasks with unpriced calls"] if unpriced else parts)
    if metric.key in ("escalation_rate", "error_rate"):
        names = ESCALATION_REASONS if metric.key == "escalation_rate" else ERROR_CATEGORIES
        counts: dict[str, int] = details.get("by_reason") or details.get("by_error") or {}
        whole = metric.sample or 1
        top = list(counts.items())[:3]
        return ", ".join(f"{names.get(name, name).lower()} {hits / whole * 100:.1f}%" for name, hits in top)
    if metric.key == "success_rate":
        basis = {"evaluated": "by evaluation", "user": "by users' marks", "without_error": "ended without an error"}
        return f"{basis[details['basis']]}, {formats.count(details['evaluated']['tasks'])} evaluated"
    value = details.get("value_per_task_usd")
    return f"{formats.money(value)} of value a task" if value is not None else ""

"""Metrics as tiles and cards: value, verdict, shape over time, range; always in this order."""

from datetime import datetime
from typing import Any, NamedTuple

from apps.core import charts, formats
from apps.telemetry.rules.six import Metric

# Six verdict words of the rules → the shapes of the page.
SHAPES = {"healthy": "healthy", "watch": "watch", "unhealthy": "unhealthy", "no_data": "unknown"}


class Tile(NamedTuple):
    """One metric for the eye."""

    key: str
    label: str
    value: str
    unit: str
    verdict: str
    reason: str
    note: str
    spark: charts.Spark | None
    definition: str
    signs: list[Any]


class Card(NamedTuple):
    """One metric with its chart."""

    tile: Tile
    chart: charts.Chart | None
    extra: str


def tiles(metrics: dict[str, Metric], before: dict[str, Metric], period: str) -> list[Tile]:
    """Return the six tiles."""
    return [_tile(metric, before.get(key), period) for key, metric in metrics.items()]


def cards(
    metrics: dict[str, Metric], before: dict[str, Metric], period: str, events: list[tuple[datetime, str]]
) -> list[Card]:
    """Return the six cards with their charts; `events` are marked in each (deployments)."""
    found = []
    for key, metric in metrics.items():
        times = [point.at for point in metric.points]
        drawn = charts.chart(
            times,
            [[point.value for point in metric.points]],
            band=_band(metric),
            events=events,
            texts=charts.Texts(_unit(metric)),
            label=f"{metric.name} over {period}: {_text(metric)[0]}{_text(metric)[1]}, {metric.verdict_name.lower()}",
        )
        found.append(Card(_tile(metric, before.get(key), period), drawn, _extra(metric)))
    return found


def _unit(metric: Metric) -> str:
    return {"share": "share", "usd": "usd"}.get(metric.unit, "us")


def _band(metric: Metric) -> tuple[float | None, float | None]:
    # The range of costs is a share of the value, which the line of dollars does not show.
    return (None, None) if metric.unit == "usd" else (metric.range_low, metric.range_high)


def _text(metric: Metric) -> tuple[str, str]:
    if metric.value is None:
        return formats.UNKNOWN, ""
    if metric.unit == "share":
        return f"{float(metric.value) * 100:.1f}", "%"
    if metric.unit == "usd":
        return formats.money(metric.value), ""
    text = formats.duration(float(metric.value))
    head, _, tail = text.partition(" ")
    return (head, tail) if text.count(" ") == 1 else (text, "")


def _tile(metric: Metric, before: Metric | None, period: str) -> Tile:
    value, unit = _text(metric)
    values = [point.value for point in metric.points]
    label = f"{metric.name}: {value}{unit}, {metric.verdict_name.lower()}, over {period}"
    notes = [note for note in (_difference(metric, before), _range(metric)) if note]
    return Tile(
        metric.key,
        metric.name,
        value,
        unit,
        SHAPES[metric.verdict],
        metric.signs[0].title if metric.verdict == "watch" and metric.signs else metric.verdict_name,
        " · ".join(notes),
        charts.spark(values, band=_band(metric), label=label) if len(values) > 1 else None,
        metric.definition,
        metric.signs,
    )


def _difference(metric: Metric, before: Metric | None) -> str:
    if before is None or metric.value is None or before.value is None:
        return ""
    if metric.unit == "share":
        return formats.points(float(metric.value) - float(before.value))
    if float(before.value) == 0:
        return ""
    change = float(metric.value) / float(before.value) - 1
    return f"{change * 100:+.0f}%".replace("-", formats.MINUS)


def _range(metric: Metric) -> str:
    low, high = metric.range_low, metric.range_high
    if metric.unit == "share" and (low is not None or high is not None):
        if low and high and high < 1:
            return f"range {low * 100:.0f}–{high * 100:.0f}%"
        return f"under {high * 100:.0f}%" if high is not None else f"over {(low or 0) * 100:.0f}%"
    if metric.unit == "usd":
        return "under 10% of value" if metric.details.get("value_share") is not None else ""
    return f"under {formats.duration(high)}" if high is not None else ""


def _extra(metric: Metric) -> str:
    return f"of {formats.count(metric.sample)} tasks" if metric.sample else "no tasks yet"

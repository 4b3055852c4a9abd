"""The course of a metric: one value a day with its weight and standard error. No Django here."""

from collections.abc import Sequence
from datetime import datetime
from math import sqrt
from typing import NamedTuple

from apps.telemetry.rules.statistics import SURE, quantile_ranks
from apps.telemetry.rules.sums import COST_SCALE, Sums

# A day with fewer tasks says too little to be a point of a trend.
LEAST_A_DAY = 10


class Point(NamedTuple):
    """One day (or interval): the value, its standard error, and of how many tasks (`hits` of `total` for a rate)."""

    at: datetime
    value: float
    error: float
    total: int
    hits: int = 0


Days = Sequence[tuple[datetime, Sums]]


def rate_points(days: Days, hits: str, total: str) -> list[Point]:
    """Return the daily rates of two counters of Sums."""
    points = []
    for at, sums in days:
        part, whole = getattr(sums, hits), getattr(sums, total)
        if whole >= LEAST_A_DAY:
            rate = part / whole
            # The standard error of a rate of 0 or 1 is that of one case more.
            smooth = (part + 1) / (whole + 2)
            points.append(Point(at, rate, sqrt(smooth * (1 - smooth) / whole), whole, part))
    return points


def cost_points(days: Days) -> list[Point]:
    """Return the daily mean cost per task in dollars."""
    points = []
    for at, sums in days:
        if sums.priced_count >= LEAST_A_DAY:
            mean = float(sums.cost_usd) / sums.priced_count
            points.append(Point(at, mean, mean * spread_of_cost(sums) / sqrt(sums.priced_count), sums.priced_count))
    return points


def latency_points(days: Days, quantile: float = 0.95) -> list[Point]:
    """Return the daily percentile of latency in microseconds."""
    points = []
    for at, sums in days:
        total = sums.latency.count
        if total >= LEAST_A_DAY:
            value, low, high = quantile_interval(sums, quantile)
            points.append(Point(at, value, (high - low) / (2 * SURE), total))
    return points


def quantile_interval(sums: Sums, quantile: float, z: float = SURE) -> tuple[float, float, float]:
    """Return a percentile of latency with the interval that its order statistics give; needs at least one task."""
    total = sums.latency.count
    low, high = quantile_ranks(quantile, total, z)
    below = max(1, total - 1)
    found = sums.latency.quantiles(low / below, quantile, high / below)
    lower, middle, upper = (value or 0.0 for value in found)
    return middle, lower, upper


def spread_of_cost(sums: Sums) -> float:
    """Return the coefficient of variation of cost per task (standard deviation over mean), from its histogram."""
    total = sums.cost.count
    if total < 2:
        return 0.0
    values = [(value / COST_SCALE, count) for value, count in sums.cost.values()]
    mean = sum(value * count for value, count in values) / total
    if mean <= 0:
        return 0.0
    return sqrt(sum(count * (value - mean) ** 2 for value, count in values) / (total - 1)) / mean

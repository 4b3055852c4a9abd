"""The course of a metric for the eye: at which intervals to draw it, and its value in each. No Django here.

Verdicts are computed elsewhere (rules.six); a picture may show what is too little to judge, but not noise: an interval
with few tasks, compared with the others (the running one, a night), is a gap.
"""

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from apps.telemetry.rules.sums import Sums, share

LEAST_A_POINT = 3
# A point stands for about so many tasks, so that the line shows the agent and not chance.
GOOD_A_POINT = 25
LEAST_POINTS, MOST_POINTS = 6, 60
INTERVALS = (
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=30),
)


def interval_for(length: timedelta, task_count: int) -> timedelta:
    """Return the finest interval that gives points enough tasks, yet LEAST_POINTS to MOST_POINTS of them."""
    fitting = [step for step in INTERVALS if LEAST_POINTS <= length / step <= MOST_POINTS] or [INTERVALS[-1]]
    for step in fitting:
        if task_count / (length / step) >= GOOD_A_POINT:
            return step
    return fitting[-1]


def least_for(task_counts: Sequence[int]) -> int:
    """Return how many tasks a point needs: a quarter of what an interval with tasks usually has."""
    busy = [count for count in task_counts if count]
    return max(LEAST_A_POINT, round(median(busy) / 4)) if busy else LEAST_A_POINT


def values(key: str, sums: Sums, *, outcome: str | None = None, least: int = LEAST_A_POINT) -> list[float | None]:
    """Return what is drawn of a metric in one interval: one value, for latency the 95th percentile and the median.

    Shares as 0 to 1, costs in dollars, latency in microseconds; None where there is too little.
    """
    if key == "latency":
        if sums.latency.count < least:
            return [None, None]
        return sums.latency.quantiles(0.95, 0.5)
    return [_value(key, sums, outcome, least)]


def _value(key: str, sums: Sums, outcome: str | None, least: int) -> float | None:
    if key == "cost_per_task":
        return float(sums.cost_usd) / sums.priced_count if sums.priced_count >= least else None
    part, whole = {
        "success_rate": (sums.good_count, sums.known_count),
        "escalation_rate": (sums.escalated_count, sums.task_count),
        "error_rate": (sums.failed_count, sums.ended_count),
        "business_outcome": (sums.by_outcome.get(outcome or "", 0), sum(sums.by_outcome.values())),
    }[key]
    return share(part, whole) if whole >= least else None

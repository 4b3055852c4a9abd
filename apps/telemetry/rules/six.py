"""The six metrics: definition, healthy range, verdict, warning signs. No Django here.

One rule gives every verdict:

- no data: fewer than LEAST tasks;
- unhealthy: an agent at the limit of unhealthy would look as bad in at most one case of forty (certainly beyond it);
- watch: an agent at the edge of the healthy range would look as bad in at most one case of five (probably outside), or
  a warning sign shows;
- healthy: otherwise.

Rates are tested exactly (binomial), percentiles by their order statistics, the cost ratio by the jackknife. Well inside
the range false alarms are rare; tests/telemetry/test_six.py measures them.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from apps.telemetry.rules import signs
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES
from apps.telemetry.rules.points import Days, Point, cost_points, latency_points, quantile_interval, rate_points
from apps.telemetry.rules.signs import Sign
from apps.telemetry.rules.statistics import (
    LIKELY,
    LIKELY_CHANCE,
    SURE,
    SURE_CHANCE,
    at_least,
    at_most,
    jackknife_ratio,
    wilson,
)
from apps.telemetry.rules.sums import COMPONENTS, Sums, share

# A verdict needs so many tasks.
LEAST = 30

SUCCESS_RANGE = (0.85, 0.95)
SUCCESS_UNHEALTHY = 0.80
COST_SHARE_LIMIT = 0.10
ESCALATION_RANGE = (0.05, 0.20)
ESCALATION_UNHEALTHY = 0.30
ESCALATION_LEAST = 0.02
ERROR_LIMIT = 0.05
INTERNAL_LIMIT = 0.01
LATENCY_LIMITS = {
    "interactive": timedelta(seconds=30),
    "background": timedelta(minutes=5),
    "workflow": timedelta(hours=1),
}
DEFAULT_KIND = "interactive"

VERDICTS = {"healthy": "Healthy", "watch": "Watch", "unhealthy": "Unhealthy", "no_data": "No data"}
VERDICT_ORDER = ("no_data", "healthy", "watch", "unhealthy")

DEFINITIONS = {
    "success_rate": (
        "Success rate",
        "Tasks with a good outcome among all whose outcome is known. The best evidence of a task counts: its "
        "evaluation, else its user's mark, else that it ended without an error. Abandoned tasks are no success.",
    ),
    "cost_per_task": (
        "Cost per task",
        "What models and tools cost, divided by the tasks whose cost is known; judged as a share of the value "
        "delivered.",
    ),
    "latency": (
        "Latency",
        "From the start of a task to its end, waiting for people included; percentiles, accurate to 1%.",
    ),
    "escalation_rate": ("Escalation rate", "Tasks in which a person had to act, among all tasks."),
    "error_rate": (
        "Error rate",
        "Tasks that failed by an error among all that ended. Errors that a task recovered from are counted apart.",
    ),
    "business_outcome": (
        "Business outcome",
        "How often tasks reach the outcome that matters, against what was reached without the agent.",
    ),
}


class Baseline(msgspec.Struct, frozen=True):
    """What was reached without the agent: the name of the outcome and how often it was reached."""

    outcome: str
    rate: float
    target: float | None = None


class Metric(msgspec.Struct):
    """One of the six, judged.

    `value` is a share, dollars (Decimal) or microseconds by `unit`; `low` and `high` bound it with 95 % certainty.
    `range_low` and `range_high` are the healthy range, `sample` the number of tasks that decided.
    """

    key: str
    name: str
    definition: str
    unit: str
    value: float | Decimal | None
    low: float | None
    high: float | None
    sample: int
    verdict: str
    reason: str
    range_low: float | None = None
    range_high: float | None = None
    signs: list[Sign] = []
    points: list[Point] = []
    details: dict[str, Any] = {}

    @property
    def verdict_name(self) -> str:
        """Return the verdict as people read it."""
        return VERDICTS[self.verdict]


class Course(msgspec.Struct):
    """What judging needs: the sums of the period, of the one before, of its days and of its single hours."""

    sums: Sums
    before: Sums | None = None
    days: Days = ()
    hours: Days = ()


def judge(course: Course, *, kind: str = DEFAULT_KIND, baseline: Baseline | None = None) -> dict[str, Metric]:
    """Return the six metrics by key. `kind` is one of LATENCY_LIMITS."""
    metrics = (
        success_metric(course),
        cost_metric(course),
        latency_metric(course, kind),
        escalation_metric(course),
        error_metric(course),
        outcome_metric(course, baseline),
    )
    return {metric.key: metric for metric in metrics}


def worst_verdict(metrics: Mapping[str, Metric]) -> str:
    """Return the worst verdict of several metrics."""
    return max((metric.verdict for metric in metrics.values()), key=VERDICT_ORDER.index, default="no_data")


def success_metric(course: Course) -> Metric:
    """Judge the success rate."""
    sums = course.sums
    metric = _rate("success_rate", sums.good_count, sums.known_count)
    metric.range_low, metric.range_high = SUCCESS_RANGE
    metric.points = rate_points(course.days, "good_count", "known_count")
    metric.details = {
        "without_error": _reading(sums.succeeded_count, sums.ended_count),
        "evaluated": _reading(sums.judged_success_count, sums.judged_count),
        "user": _reading(sums.feedback_success_count, sums.feedback_count),
        "basis": _basis(sums),
    }
    found = [
        signs.falling(metric.points),
        signs.unsteady(metric.points),
        signs.spiking(metric.points, is_rate=True, downwards=True),
    ]
    unhealthy = watch = None
    if at_most(sums.good_count, sums.known_count, SUCCESS_UNHEALTHY) <= SURE_CHANCE:
        unhealthy = f"certainly below {_percent(SUCCESS_UNHEALTHY)}"
    elif at_most(sums.good_count, sums.known_count, SUCCESS_RANGE[0]) <= LIKELY_CHANCE:
        watch = f"probably below {_percent(SUCCESS_RANGE[0])}"
    return _settle(metric, found, unhealthy=unhealthy, watch=watch)


def escalation_metric(course: Course) -> Metric:
    """Judge the escalation rate."""
    sums = course.sums
    metric = _rate("escalation_rate", sums.escalated_count, sums.task_count)
    metric.range_low, metric.range_high = ESCALATION_RANGE
    metric.points = rate_points(course.days, "escalated_count", "task_count")
    metric.details = {"by_reason": dict(sorted(sums.by_reason.items(), key=lambda item: -item[1]))}
    counts = (sums.escalated_count, sums.task_count)
    unhealthy = watch = None
    if at_least(*counts, ESCALATION_UNHEALTHY) <= SURE_CHANCE:
        unhealthy = f"certainly above {_percent(ESCALATION_UNHEALTHY)}"
    elif at_most(*counts, ESCALATION_LEAST) <= LIKELY_CHANCE:
        watch = f"probably below {_percent(ESCALATION_LEAST)}: cases that need a person may be missed"
    elif at_most(*counts, ESCALATION_RANGE[0]) <= LIKELY_CHANCE:
        watch = f"probably below {_percent(ESCALATION_RANGE[0])}"
    elif at_least(*counts, ESCALATION_RANGE[1]) <= LIKELY_CHANCE:
        watch = f"probably above {_percent(ESCALATION_RANGE[1])}"
    found = [signs.rising(metric.points, is_rate=True), signs.spiking(metric.points, is_rate=True)]
    return _settle(metric, found, unhealthy=unhealthy, watch=watch)


def error_metric(course: Course) -> Metric:
    """Judge the error rate, all errors and internal ones."""
    sums = course.sums
    metric = _rate("error_rate", sums.failed_count, sums.ended_count)
    metric.range_low, metric.range_high = 0.0, ERROR_LIMIT
    metric.points = rate_points(course.days, "failed_count", "ended_count")
    internal = sums.by_error.get("internal_error", 0)
    metric.details = {
        "by_error": dict(sorted(sums.by_error.items(), key=lambda item: -item[1])),
        "internal_rate": share(internal, sums.ended_count),
        "hidden_error_rate": share(sums.hidden_error_count, sums.task_count),
    }
    unhealthy = watch = None
    for name, hits, limit in (("", sums.failed_count, ERROR_LIMIT), ("internal errors ", internal, INTERNAL_LIMIT)):
        chance = at_least(hits, sums.ended_count, limit)
        if chance <= SURE_CHANCE:
            unhealthy = unhealthy or f"{name}certainly above {_percent(limit)}"
        elif chance <= LIKELY_CHANCE:
            watch = watch or f"{name}probably above {_percent(limit)}"
    found = [
        signs.spiking(metric.points, is_rate=True),
        signs.growing_error(sums, course.before, ERROR_CATEGORIES),
    ]
    return _settle(metric, found, unhealthy=unhealthy, watch=watch)


def cost_metric(course: Course) -> Metric:
    """Judge the cost per task: by the value delivered where that is known, and by its course."""
    sums = course.sums
    metric = _metric("cost_per_task", "usd", sums.cost_per_task_usd, sums.priced_count)
    metric.points = cost_points(course.days)
    if sums.priced_count > 1 and metric.value is not None:
        spread = signs.spread_of_cost(sums) * float(metric.value) / math.sqrt(sums.priced_count)
        metric.low, metric.high = float(metric.value) - SURE * spread, float(metric.value) + SURE * spread
    p50, p95 = sums.cost.quantiles(0.5, 0.95)
    metric.details = {
        "total_usd": sums.cost_usd,
        "p50_usd": _dollars(p50),
        "p95_usd": _dollars(p95),
        "unpriced_tasks": sums.unpriced_count,
        "value_usd": sums.value_usd if sums.valued_count else None,
        "valued_tasks": sums.valued_count,
    }
    pairs = [(float(day.valued_cost_usd), float(day.value_usd)) for _, day in course.days if day.valued_count]
    unhealthy = watch = None
    missing = "the value of a task is not known"
    if sums.valued_count >= LEAST and sums.value_usd > 0:
        missing = ""
        ratio = float(sums.valued_cost_usd / sums.value_usd)
        found_ratio = jackknife_ratio([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        error = found_ratio[1] if found_ratio is not None else math.inf
        metric.details["value_share"] = ratio
        if ratio - SURE * error > COST_SHARE_LIMIT:
            unhealthy = f"certainly above {_percent(COST_SHARE_LIMIT)} of the value delivered"
        elif ratio - LIKELY * error > COST_SHARE_LIMIT or (error == math.inf and ratio > COST_SHARE_LIMIT):
            watch = f"probably above {_percent(COST_SHARE_LIMIT)} of the value delivered"
    found = [
        signs.spiking(metric.points, is_rate=False),
        signs.rising(metric.points, is_rate=False),
        signs.uneven_cost(sums),
    ]
    return _settle(metric, found, unhealthy=unhealthy, watch=watch, missing=missing)


def latency_metric(course: Course, kind: str = DEFAULT_KIND) -> Metric:
    """Judge the 95th percentile of latency by the limit of the agent's kind."""
    sums = course.sums
    total = sums.latency.count
    limit = LATENCY_LIMITS[kind] / timedelta(microseconds=1)
    p50, p95, p99 = sums.latency.quantiles(0.5, 0.95, 0.99)
    metric = _metric("latency", "us", p95, total)
    metric.range_low, metric.range_high = 0.0, limit
    metric.points = latency_points(course.days)
    whole = sum(getattr(sums, name) for name in COMPONENTS)
    metric.details = {
        "p50_us": p50,
        "p95_us": p95,
        "p99_us": p99,
        "kind": kind,
        "components": {name.removesuffix("_us"): share(getattr(sums, name), whole) for name in COMPONENTS},
    }
    unhealthy = watch = None
    if total:
        _, metric.low, metric.high = quantile_interval(sums, 0.95)
        seconds = f"{limit / 1e6:.0f} s" if limit < 3e8 else f"{limit / 6e7:.0f} min"
        if metric.low > limit:
            unhealthy = f"p95 certainly above {seconds}"
        elif quantile_interval(sums, 0.95, LIKELY)[1] > limit:
            watch = f"p95 probably above {seconds}"
    found = [
        signs.long_tail(sums),
        signs.rising(metric.points, is_rate=False),
        signs.spiking(metric.points, is_rate=False),
        signs.clock_pattern(course.hours),
    ]
    return _settle(metric, found, unhealthy=unhealthy, watch=watch)


def outcome_metric(course: Course, baseline: Baseline | None = None) -> Metric:
    """Judge how often the outcome that matters is reached, against the baseline."""
    sums = course.sums
    named = sum(sums.by_outcome.values())
    name = baseline.outcome if baseline else max(sums.by_outcome, key=sums.by_outcome.__getitem__, default=None)
    hits = sums.by_outcome.get(name, 0) if name else 0
    metric = _rate("business_outcome", hits, named)
    metric.details = {
        "outcome": name,
        "by_outcome": dict(sorted(sums.by_outcome.items(), key=lambda item: -item[1])),
        "value_usd": sums.value_usd if sums.valued_count else None,
        "value_per_task_usd": sums.value_usd / sums.valued_count if sums.valued_count else None,
        "baseline": baseline.rate if baseline else None,
        "target": baseline.target if baseline else None,
    }
    if baseline is None:
        return _settle(metric, [], missing="no baseline is known")
    metric.range_low, metric.range_high = baseline.rate, 1.0
    unhealthy = watch = None
    if at_most(hits, named, baseline.rate) <= SURE_CHANCE:
        unhealthy = f"certainly below the baseline of {_percent(baseline.rate)}"
    elif at_least(hits, named, baseline.rate) > SURE_CHANCE:
        watch = f"no clear improvement over the baseline of {_percent(baseline.rate)}"
    return _settle(metric, [], unhealthy=unhealthy, watch=watch)


def _metric(key: str, unit: str, value: float | Decimal | None, sample: int) -> Metric:
    name, definition = DEFINITIONS[key]
    return Metric(key, name, definition, unit, value, None, None, sample, "no_data", "")


def _rate(key: str, hits: int, total: int) -> Metric:
    metric = _metric(key, "share", share(hits, total), total)
    if total:
        metric.low, metric.high = wilson(hits, total)
    return metric


def _settle(
    metric: Metric,
    found: list[Sign | None],
    *,
    unhealthy: str | bool | None = None,
    watch: str | bool | None = None,
    missing: str = "",
) -> Metric:
    """Give the verdict and its reason. `missing` says what is not known although there are tasks enough."""
    if metric.sample < LEAST:
        metric.reason = f"{metric.sample} tasks; a verdict needs {LEAST}."
        return metric
    metric.signs = [sign for sign in found if sign is not None]
    of = f"{metric.sample:,} tasks"
    if unhealthy:
        metric.verdict, metric.reason = "unhealthy", f"{unhealthy}; {of}"
    elif watch:
        metric.verdict, metric.reason = "watch", f"{watch}; {of}"
    elif metric.signs:
        metric.verdict, metric.reason = "watch", f"{metric.signs[0].title.lower()}; {of}"
    elif missing:
        metric.verdict, metric.reason = "no_data", f"{missing}; {of}"
    else:
        metric.verdict, metric.reason = "healthy", f"in the healthy range; {of}"
    metric.reason = metric.reason[0].upper() + metric.reason[1:] + "."
    return metric


def _reading(hits: int, total: int) -> dict[str, Any]:
    return {"rate": share(hits, total), "good": hits, "tasks": total}


def _basis(sums: Sums) -> str:
    """Return which evidence decided most tasks: evaluated, user or without_error."""
    counts = {
        "evaluated": sums.judged_count,
        "user": sums.feedback_count,
        "without_error": sums.known_count - sums.judged_count,
    }
    return max(counts, key=counts.__getitem__) if sums.known_count else "without_error"


def _percent(rate: float) -> str:
    return f"{rate * 100:.0f}%"


def _dollars(scaled: float | None) -> float | None:
    return None if scaled is None else scaled / 1_000_000

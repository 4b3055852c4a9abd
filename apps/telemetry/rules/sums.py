"""What many tasks add up to: counters, amounts and histograms that merge exactly. No Django here."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from apps.telemetry.rules.histogram import Histogram

COUNTERS = (
    "task_count",
    "succeeded_count",
    "failed_count",
    "abandoned_count",
    "open_count",
    "known_count",
    "good_count",
    "judged_count",
    "judged_success_count",
    "feedback_count",
    "feedback_success_count",
    "escalated_count",
    "hidden_error_count",
    "priced_count",
    "unpriced_count",
    "valued_count",
    "input_tokens",
    "output_tokens",
    "latency_us",
    "model_us",
    "tool_us",
    "human_us",
    "queue_us",
    "own_us",
)
AMOUNTS = ("cost_usd", "value_usd", "valued_cost_usd")
MAPS = ("by_reason", "by_error", "by_outcome")
HISTOGRAMS = ("latency", "cost")
COMPONENTS = ("model_us", "tool_us", "human_us", "queue_us", "own_us")
# Costs of single tasks are small and only positive values have a logarithm: the histogram counts millionths.
COST_SCALE = 1_000_000

# What `add_task` reads of a task.
TASK_FIELDS = (
    "status",
    "error_category",
    "escalation_reason",
    "evaluated_success",
    "user_success",
    "outcome_name",
    "business_value_usd",
    "cost_usd",
    "unpriced_count",
    "hidden_error_count",
    "input_tokens",
    "output_tokens",
    "latency_us",
    *COMPONENTS,
)


def is_good(status: str, evaluated: bool | None, user: bool | None) -> bool | None:
    """Tell whether a task succeeded by the best evidence: its evaluation, its user's mark, its end without an error.

    None: not known yet (it runs or waits, and nobody has judged it).
    """
    if evaluated is not None:
        return evaluated
    if user is not None:
        return user
    if status == "succeeded":
        return True
    return False if status in ("failed", "abandoned") else None


class Sums:
    """The sum over a group of tasks.

    `known_count` tasks have an outcome by some evidence, `good_count` of them a good one (`is_good`); `judged` counts
    evaluations, `feedback` users' marks. `hidden_error_count` and `unpriced_count` count tasks, not steps.
    """

    __slots__ = (*COUNTERS, *AMOUNTS, *MAPS, *HISTOGRAMS)

    task_count: int
    succeeded_count: int
    failed_count: int
    abandoned_count: int
    open_count: int
    known_count: int
    good_count: int
    judged_count: int
    judged_success_count: int
    feedback_count: int
    feedback_success_count: int
    escalated_count: int
    hidden_error_count: int
    priced_count: int
    unpriced_count: int
    valued_count: int
    input_tokens: int
    output_tokens: int
    latency_us: int
    model_us: int
    tool_us: int
    human_us: int
    queue_us: int
    own_us: int
    cost_usd: Decimal
    value_usd: Decimal
    valued_cost_usd: Decimal
    by_reason: dict[str, int]
    by_error: dict[str, int]
    by_outcome: dict[str, int]
    latency: Histogram
    cost: Histogram

    def __init__(self) -> None:
        for name in COUNTERS:
            setattr(self, name, 0)
        for name in AMOUNTS:
            setattr(self, name, Decimal(0))
        for name in MAPS:
            setattr(self, name, {})
        for name in HISTOGRAMS:
            setattr(self, name, Histogram())

    @classmethod
    def of(cls, parts: Iterable["Sums"]) -> "Sums":
        """Return the sum of sums."""
        whole = cls()
        for part in parts:
            whole.add(part)
        return whole

    def add(self, other: "Sums") -> None:
        """Add another group of tasks."""
        if not other.task_count:
            return
        self.add_counts(getattr(other, name) for name in (*COUNTERS, *AMOUNTS))
        self.add_maps(other.by_reason, other.by_error, other.by_outcome)
        self.latency.merge(other.latency)
        self.cost.merge(other.cost)

    def add_counts(self, values: Iterable[Any]) -> None:
        """Add stored counters and amounts, in the order of COUNTERS and AMOUNTS."""
        for name, value in zip((*COUNTERS, *AMOUNTS), values, strict=True):
            if value:
                setattr(self, name, getattr(self, name) + value)

    def add_maps(self, *maps: Mapping[str, int]) -> None:
        """Add stored counts by name, in the order of MAPS."""
        for name, found in zip(MAPS, maps, strict=True):
            own = getattr(self, name)
            for key, count in found.items():
                own[key] = own.get(key, 0) + count

    def add_task(self, task: Mapping[str, Any]) -> None:
        """Count one task (a mapping with TASK_FIELDS)."""
        status = task["status"]
        self.task_count += 1
        if status == "succeeded":
            self.succeeded_count += 1
        elif status == "failed":
            self.failed_count += 1
            _count(self.by_error, task["error_category"] or "internal_error")
        elif status == "abandoned":
            self.abandoned_count += 1
        else:
            self.open_count += 1
        self._add_outcome(task)
        if task["escalation_reason"]:
            self.escalated_count += 1
            _count(self.by_reason, task["escalation_reason"])
        self.hidden_error_count += bool(task["hidden_error_count"])
        self.unpriced_count += bool(task["unpriced_count"])
        cost = task["cost_usd"]
        if cost is not None:
            self.priced_count += 1
            self.cost_usd += cost
            self.cost.add(float(cost) * COST_SCALE)
        value = task["business_value_usd"]
        if value is not None:
            self.valued_count += 1
            self.value_usd += value
            self.valued_cost_usd += cost or 0
        latency = task["latency_us"]
        if latency is not None:
            self.latency_us += latency
            self.latency.add(latency)
        for name in ("input_tokens", "output_tokens", *COMPONENTS):
            setattr(self, name, getattr(self, name) + task[name])

    def _add_outcome(self, task: Mapping[str, Any]) -> None:
        good = is_good(task["status"], task["evaluated_success"], task["user_success"])
        if good is not None:
            self.known_count += 1
            self.good_count += good
        if task["evaluated_success"] is not None:
            self.judged_count += 1
            self.judged_success_count += task["evaluated_success"]
        if task["user_success"] is not None:
            self.feedback_count += 1
            self.feedback_success_count += task["user_success"]
        if task["outcome_name"]:
            _count(self.by_outcome, task["outcome_name"])

    def stored(self) -> dict[str, Any]:
        """Return the columns under which an hour's row keeps these sums."""
        columns = {name: getattr(self, name) for name in (*COUNTERS, *AMOUNTS, *MAPS)}
        for name in HISTOGRAMS:
            buckets, counts = getattr(self, name).arrays()
            columns[f"{name}_buckets"], columns[f"{name}_counts"] = buckets, counts
        return columns

    @property
    def ended_count(self) -> int:
        """Return how many tasks came to an end, a good one or not."""
        return self.succeeded_count + self.failed_count + self.abandoned_count

    @property
    def success_rate(self) -> float | None:
        """Return the share of good outcomes among the tasks whose outcome is known."""
        return share(self.good_count, self.known_count)

    @property
    def error_rate(self) -> float | None:
        """Return the share of tasks that failed by an error among those that ended."""
        return share(self.failed_count, self.ended_count)

    @property
    def escalation_rate(self) -> float | None:
        """Return the share of tasks in which a person had to act."""
        return share(self.escalated_count, self.task_count)

    @property
    def cost_per_task_usd(self) -> Decimal | None:
        """Return the mean cost of the tasks whose cost is known; None where no cost is."""
        return self.cost_usd / self.priced_count if self.priced_count else None

    def latency_quantiles_us(self, *shares: float) -> list[float | None]:
        """Return latency percentiles in microseconds, accurate to 1 %."""
        return self.latency.quantiles(*shares)


def share(part: int, whole: int) -> float | None:
    """Return `part / whole`; None of nothing."""
    return part / whole if whole else None


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1

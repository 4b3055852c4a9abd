"""At which intervals a metric is drawn, and where its line has gaps."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.telemetry.rules.course import INTERVALS, MOST_POINTS, interval_for, least_for, values
from apps.telemetry.rules.sums import TASK_FIELDS, Sums

TASK = dict.fromkeys(TASK_FIELDS, 0) | {
    "status": "succeeded",
    "error_category": None,
    "escalation_reason": None,
    "evaluated_success": None,
    "user_success": None,
    "outcome_name": "booked",
    "business_value_usd": None,
    "cost_usd": Decimal("0.10"),
    "latency_us": 2_000_000,
}


def sums_of(*tasks):
    sums = Sums()
    for task in tasks:
        sums.add_task(TASK | task)
    return sums


@pytest.mark.parametrize(
    ("days", "tasks", "expected"),
    [
        (1, 10_000, timedelta(hours=1)),
        (1, 20, timedelta(hours=2)),
        (7, 10_000, timedelta(hours=6)),
        (7, 100, timedelta(days=1)),
        (30, 5_000, timedelta(days=1)),
        (90, 1_000, timedelta(days=7)),
        (365, 100_000, timedelta(days=7)),
        (4_000, 1, timedelta(days=30)),
    ],
)
def test_the_interval_suits_the_length_and_the_number_of_tasks(days, tasks, expected):
    assert interval_for(timedelta(days=days), tasks) == expected


def test_there_are_never_too_many_points():
    for days in range(1, 1_700, 7):
        step = interval_for(timedelta(days=days), 1_000_000)
        assert timedelta(days=days) / step <= MOST_POINTS or step == INTERVALS[-1]


def test_an_interval_with_few_tasks_is_a_gap():
    assert values("error_rate", sums_of({}, {})) == [None]
    assert values("latency", sums_of({}, {})) == [None, None]
    assert values("cost_per_task", sums_of({}, {}, {"cost_usd": None})) == [None]
    assert least_for([40, 44, 0, 2, 48]) == 10
    assert least_for([]) == least_for([1, 2]) == 3


def test_values_are_those_of_the_sums():
    sums = sums_of({}, {}, {"escalation_reason": "error"}, {"status": "failed", "outcome_name": "lost"})
    assert values("error_rate", sums) == [0.25]
    assert values("success_rate", sums) == [0.75]
    assert values("escalation_rate", sums) == [0.25]
    assert values("business_outcome", sums, outcome="booked") == [0.75]
    assert values("cost_per_task", sums) == [pytest.approx(0.10)]
    assert values("latency", sums) == [pytest.approx(2e6, rel=0.02)] * 2

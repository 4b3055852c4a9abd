"""Verdicts and warning signs: rarely wrong on a healthy agent, seldom blind to a sick one."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.telemetry.rules import six
from apps.telemetry.rules.six import Baseline, Course, judge
from apps.telemetry.rules.sums import Sums, is_good

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RUNS = 200


def task(**fields) -> dict:
    return {
        "status": "succeeded",
        "error_category": None,
        "escalation_reason": None,
        "evaluated_success": None,
        "user_success": None,
        "outcome_name": None,
        "business_value_usd": None,
        "cost_usd": None,
        "unpriced_count": 0,
        "hidden_error_count": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "latency_us": None,
        "model_us": 0,
        "tool_us": 0,
        "human_us": 0,
        "queue_us": 0,
        "own_us": 0,
        **fields,
    }


def tally(count: int, **counters: int) -> Sums:
    sums = Sums()
    sums.task_count = sums.known_count = count
    sums.good_count = count
    sums.succeeded_count = count
    for name, value in counters.items():
        setattr(sums, name, value)
    return sums


def course(days: list[Sums], **more) -> Course:
    dated = [(START + index * DAY, sums) for index, sums in enumerate(days)]
    return Course(Sums.of(days), days=dated, **more)


def hits(draw: random.Random, count: int, rate: float) -> int:
    return sum(draw.random() < rate for _ in range(count))


def day(draw: random.Random, count: int = 60, *, good=0.92, failed=0.02, escalated=0.11, slow=1.0, dear=1.0) -> Sums:
    """Return a day of an agent; the defaults are healthy."""
    sums = Sums()
    for _ in range(count):
        wrong = draw.random() < failed
        sums.add_task(
            task(
                status="failed" if wrong else "succeeded",
                error_category="tool_failure" if wrong else None,
                evaluated_success=draw.random() < good,
                escalation_reason="user_request" if draw.random() < escalated else None,
                cost_usd=Decimal(round(draw.lognormvariate(-3, 0.6) * dear, 6)),
                business_value_usd=Decimal(2),
                latency_us=draw.lognormvariate(1.5, 0.6) * 1e6 * slow,
            )
        )
    return sums


def share_of(verdicts, key, wanted) -> float:
    return sum(found[key] in wanted for found in verdicts) / len(verdicts)


@pytest.fixture(scope="module")
def healthy_fleet() -> list[dict[str, six.Metric]]:
    draw = random.Random(1)
    return [judge(course([day(draw) for _ in range(14)])) for _ in range(RUNS)]


@pytest.mark.parametrize("key", ["success_rate", "cost_per_task", "latency", "escalation_rate", "error_rate"])
def test_a_healthy_agent_is_rarely_called_anything_else(healthy_fleet, key):
    verdicts = [metrics[key].verdict for metrics in healthy_fleet]
    assert verdicts.count("unhealthy") == 0
    assert verdicts.count("no_data") == 0
    # Stated in docs/telemetry/metrics.md: at most 5 % of 14-day courses.
    assert verdicts.count("watch") <= 0.05 * RUNS


@pytest.mark.parametrize(
    ("sick", "key", "verdict"),
    [
        ({"good": 0.70}, "success_rate", "unhealthy"),
        ({"good": 0.82}, "success_rate", "watch"),
        ({"failed": 0.10}, "error_rate", "unhealthy"),
        ({"failed": 0.07}, "error_rate", "watch"),
        ({"escalated": 0.40}, "escalation_rate", "unhealthy"),
        ({"escalated": 0.25}, "escalation_rate", "watch"),
        ({"escalated": 0.001}, "escalation_rate", "watch"),
        ({"slow": 6.0}, "latency", "unhealthy"),
        ({"dear": 6.0}, "cost_per_task", "unhealthy"),
    ],
)
def test_a_sick_agent_is_found(sick, key, verdict):
    draw = random.Random(2)
    found = [judge(course([day(draw, 60, **sick) for _ in range(14)]))[key].verdict for _ in range(60)]
    assert sum(item in (verdict, "unhealthy") for item in found) >= 0.8 * len(found)
    if verdict == "unhealthy":
        assert found.count("unhealthy") >= 0.8 * len(found)


@pytest.mark.parametrize("count", [30, 100, 1000])
def test_at_the_edge_of_the_range_watch_is_said_at_most_once_in_five_and_unhealthy_once_in_forty(count):
    draw = random.Random(3)
    found = {"success_rate": [], "error_rate": []}
    for _ in range(1500):
        good, failed = hits(draw, count, 0.85), hits(draw, count, 0.05)
        sums = tally(count, good_count=good, failed_count=failed, succeeded_count=count - failed)
        metrics = judge(Course(sums))
        for key, verdicts in found.items():
            verdicts.append(metrics[key].verdict)
    for key, verdicts in found.items():
        assert verdicts.count("watch") + verdicts.count("unhealthy") <= 0.22 * len(verdicts), key
        assert verdicts.count("unhealthy") <= 0.03 * len(verdicts), key


def test_below_thirty_tasks_there_is_no_verdict_but_the_count():
    metrics = judge(Course(tally(29, good_count=0, failed_count=29, succeeded_count=0)))
    assert {metric.verdict for metric in metrics.values()} == {"no_data"}
    assert metrics["success_rate"].reason == "29 tasks; a verdict needs 30."
    assert judge(Course(tally(30, good_count=0)))["success_rate"].verdict == "unhealthy"
    assert judge(Course(Sums()))["latency"].value is None


def test_the_best_evidence_of_a_task_decides():
    assert is_good("succeeded", None, None) is True
    assert is_good("succeeded", None, False) is False
    assert is_good("succeeded", True, False) is True
    assert is_good("failed", True, None) is True
    assert is_good("abandoned", None, None) is False
    assert is_good("waiting", None, None) is None
    sums = Sums()
    for evaluated, user in ((True, None), (False, True), (None, True), (None, None)):
        sums.add_task(task(evaluated_success=evaluated, user_success=user))
    details = six.success_metric(Course(sums)).details
    assert sums.success_rate == 0.75
    assert details["evaluated"] == {"rate": 0.5, "good": 1, "tasks": 2}
    assert details["user"] == {"rate": 1.0, "good": 2, "tasks": 2}
    assert details["without_error"] == {"rate": 1.0, "good": 4, "tasks": 4}


def signs_of(metric: six.Metric) -> set[str]:
    return {sign.code for sign in metric.signs}


def test_a_falling_success_rate_is_a_sign_even_inside_the_range():
    days = [tally(200, good_count=round(200 * (0.95 - 0.008 * index))) for index in range(10)]
    metric = judge(course(days))["success_rate"]
    assert signs_of(metric) >= {"falling"}
    assert metric.verdict == "watch"
    assert metric.signs[0].chance < 0.01


def test_rates_that_jump_about_are_a_sign():
    days = [tally(200, good_count=170 if index % 2 else 196) for index in range(12)]
    assert "unsteady" in signs_of(judge(course(days))["success_rate"])


def test_a_spike_of_errors_and_a_growing_kind_are_signs():
    days = [tally(100, failed_count=2, succeeded_count=98) for _ in range(9)]
    days.append(tally(100, failed_count=15, succeeded_count=85))
    before = tally(900, failed_count=18, succeeded_count=882)
    before.by_error = {"tool_failure": 18}
    for sums in days:
        sums.by_error = {"tool_failure": sums.failed_count}
    metric = judge(course(days, before=before))["error_rate"]
    assert "spike" in signs_of(metric)
    grown = [tally(100, failed_count=4, succeeded_count=96) for _ in range(9)]
    for sums in grown:
        sums.by_error = {"timeout": 3, "tool_failure": 1}
    assert "growing_error" in signs_of(judge(course(grown, before=before))["error_rate"])


def test_cost_spikes_rises_and_unevenness_are_signs():
    draw = random.Random(4)
    spiking = [day(draw) for _ in range(9)] + [day(draw, dear=4.0)]
    assert "spike" in signs_of(judge(course(spiking))["cost_per_task"])
    rising = [day(draw, dear=1 + index * 0.06) for index in range(14)]
    assert "rising" in signs_of(judge(course(rising))["cost_per_task"])
    uneven = Sums()
    for index in range(200):
        uneven.add_task(task(cost_usd=Decimal(50) if index < 4 else Decimal("0.01")))
    assert "uneven" in signs_of(judge(Course(uneven))["cost_per_task"])


def test_latency_signs_long_tail_rise_and_time_of_day():
    draw = random.Random(5)
    tail = Sums()
    for index in range(300):
        tail.add_task(task(latency_us=20_000_000 if index % 50 == 0 else 100_000))
    assert "long_tail" in signs_of(judge(Course(tail))["latency"])
    rising = [day(draw, slow=1 + 0.08 * index) for index in range(14)]
    assert "rising" in signs_of(judge(course(rising))["latency"])
    hours = [
        (START + timedelta(hours=hour), day(draw, 12, slow=3.0 if 12 <= hour % 24 < 16 else 1.0)) for hour in range(240)
    ]
    sums = Sums.of(part for _, part in hours)
    found = judge(Course(sums, hours=hours))["latency"]
    assert "time_of_day" in signs_of(found)
    assert "12:00 and 16:00" in next(sign.text for sign in found.signs if sign.code == "time_of_day")


def test_latency_is_judged_by_the_kind_of_agent():
    sums = Sums()
    for _ in range(100):
        sums.add_task(task(latency_us=120_000_000))
    verdicts = {kind: judge(Course(sums), kind=kind)["latency"].verdict for kind in six.LATENCY_LIMITS}
    assert verdicts == {"interactive": "unhealthy", "background": "healthy", "workflow": "healthy"}


def test_internal_errors_have_a_limit_of_their_own():
    sums = tally(2000, failed_count=60, succeeded_count=1940)
    sums.by_error = {"internal_error": 40, "timeout": 20}
    metric = judge(Course(sums))["error_rate"]
    assert (metric.verdict, metric.value) == ("unhealthy", 0.03)
    assert "nternal" in metric.reason


def test_cost_without_a_known_value_gives_no_verdict():
    sums = Sums()
    for _ in range(100):
        sums.add_task(task(cost_usd=Decimal("0.10")))
    metric = judge(Course(sums))["cost_per_task"]
    assert (metric.verdict, metric.value) == ("no_data", Decimal("0.10"))
    assert metric.reason == "The value of a task is not known; 100 tasks."


def test_business_outcomes_are_judged_against_a_baseline():
    sums = tally(200)
    sums.by_outcome = {"resolved": 160, "handed_over": 40}
    assert judge(Course(sums))["business_outcome"].verdict == "no_data"
    for rate, verdict in ((0.5, "healthy"), (0.78, "watch"), (0.95, "unhealthy")):
        metric = judge(Course(sums), baseline=Baseline("resolved", rate))["business_outcome"]
        assert (metric.value, metric.verdict) == (0.8, verdict)


def test_the_worst_verdict_is_the_agents():
    metrics = judge(Course(tally(100, escalated_count=10)))
    assert six.worst_verdict(metrics) == "healthy"
    assert six.worst_verdict({}) == "no_data"

"""Reading the six metrics: every slice agrees with a plain count over the tasks."""

import itertools
import random
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from apps.core.errors import DomainError
from apps.telemetry.models import Task
from apps.telemetry.rules.sums import TASK_FIELDS, Sums
from apps.telemetry.selectors.metrics import Slice, breakdown, fleet_health, read_sums, recent, series, six_metrics
from tests.telemetry.runs import NOW, inside, run, send, settle_all

DAY = timedelta(days=1)


def plain(**chosen) -> Sums:
    """Count the tasks one by one."""
    sums = Sums()
    for task in Task.objects.filter(**chosen).values(*TASK_FIELDS):
        sums.add_task(task)
    return sums


def same(left: Sums, right: Sums) -> bool:
    return left.stored() == right.stored()


@pytest.fixture
def fleet(committed_world):
    """Three agents over two days with failures and escalations."""
    draw = random.Random(7)
    spans = []
    for number in range(120):
        failed = draw.random() < 0.2
        spans += run(
            f"t{number}",
            at=-draw.uniform(0, 47 * 3600),
            takes=draw.lognormvariate(2, 1),
            agent=draw.choice(["support-agent", "booking-agent", "triage"]),
            agent_version=draw.choice(["1", "2", None]),
            task_type=draw.choice(["refund", "question"]),
            status="error" if failed else "ok",
            error_category=draw.choice(["timeout", "internal_error"]) if failed else None,
            escalation_reason=draw.choice([None, None, None, "user_request", "low_confidence"]),
            cost=Decimal(draw.randint(1, 900)) / 10000,
        )
    draw.shuffle(spans)
    send(committed_world.acme, *spans)
    settle_all(committed_world.acme)
    return committed_world


@pytest.mark.committed
def test_hours_and_their_edges_equal_a_count_of_the_tasks(fleet):
    with inside(fleet.acme):
        whole = Slice(NOW - 3 * DAY, NOW + DAY)
        assert plain().task_count == 120
        assert same(read_sums(whole)[()], plain())
        for shift in (0, 7, 31):
            start, end = NOW - DAY - timedelta(minutes=shift, seconds=3), NOW - timedelta(hours=3, minutes=shift)
            found = read_sums(Slice(start, end)).get((), Sums())
            assert same(found, plain(started_at__gte=start, started_at__lt=end))
        by_agent = dict(breakdown(whole, "agent"))
        assert set(by_agent) == {"support-agent", "booking-agent", "triage"}
        for agent, sums in by_agent.items():
            assert same(sums, plain(agent=agent))
        versions = dict(breakdown(whole, "agent_version"))
        assert same(versions[None], plain(agent_version=None))
        narrow = Slice(NOW - 3 * DAY, NOW + DAY, agent="triage", task_type="refund", environment="production")
        assert same(read_sums(narrow)[()], plain(agent="triage", task_type="refund"))
        with pytest.raises(DomainError, match="Break down by"):
            breakdown(whole, "user_id")


@pytest.mark.committed
@pytest.mark.parametrize("interval", [timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), DAY])
def test_a_series_has_every_interval_and_adds_up(fleet, interval):
    with inside(fleet.acme):
        chosen = Slice(NOW.replace(minute=0) - 2 * DAY, NOW.replace(minute=0) + timedelta(hours=2))
        points = series(chosen, interval)
        assert [later - earlier for (earlier, _), (later, _) in itertools.pairwise(points)] == [interval] * (
            len(points) - 1
        )
        assert same(Sums.of(sums for _, sums in points), plain(started_at__gte=chosen.start, started_at__lt=chosen.end))
        assert any(not sums.task_count for _, sums in points) or interval >= timedelta(hours=6)
        with pytest.raises(DomainError, match="more than 2000 points"):
            series(chosen, timedelta(seconds=1))


@pytest.mark.committed
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_days_are_those_of_the_organizations_zone_however_they_are_read(fleet, zone):
    with inside(fleet.acme):
        short, long = Slice(NOW - 3 * DAY, NOW + DAY), Slice(NOW - 40 * DAY, NOW + DAY)
        days = six_metrics(short, zone=zone).days
        assert [(at, sums.stored()) for at, sums in days] == [
            (at, sums.stored()) for at, sums in six_metrics(long, zone=zone).days
        ]
        assert all(at.astimezone(ZoneInfo(zone)).hour == 0 for at, _ in days)


@pytest.mark.committed
def test_counters_can_be_read_without_histograms(fleet):
    with inside(fleet.acme):
        whole = Slice(NOW.replace(minute=0) - 3 * DAY, NOW + DAY)
        counted = read_sums(whole, with_histograms=False)[()]
        full = plain()
        assert (counted.by_error, counted.by_reason, counted.cost_usd) == (full.by_error, full.by_reason, full.cost_usd)
        assert (counted.task_count, counted.latency.count) == (120, 0)


@pytest.mark.committed
def test_the_six_metrics_and_the_fleet(fleet, django_assert_max_num_queries):
    with inside(fleet.acme):
        picture = six_metrics(Slice(NOW - 3 * DAY, NOW + DAY))
        counted = plain()
        assert list(picture.metrics) == [
            "success_rate",
            "cost_per_task",
            "latency",
            "escalation_rate",
            "error_rate",
            "business_outcome",
        ]
        assert picture.metrics["error_rate"].value == counted.failed_count / counted.ended_count
        assert picture.metrics["escalation_rate"].details["by_reason"] == counted.by_reason
        assert picture.metrics["cost_per_task"].details["total_usd"] == counted.cost_usd
        assert picture.metrics["error_rate"].verdict == "unhealthy"
        assert picture.verdict == "unhealthy"
        with django_assert_max_num_queries(10):
            health = fleet_health(Slice(NOW - 3 * DAY, NOW + DAY))
        assert {item.agent: item.sums.task_count for item in health} == {
            agent: sums.task_count for agent, sums in breakdown(picture.slice, "agent")
        }
    with inside(fleet.globex):
        assert fleet_health(recent(3 * DAY)) == []
        assert six_metrics(recent(3 * DAY)).sums.task_count == 0

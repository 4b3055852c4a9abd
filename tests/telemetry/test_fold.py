"""Spans become traces and tasks: once each, whatever the order, whoever folds, wherever it breaks."""

import random
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, connections
from django.utils import timezone

from apps.core.actors import SYSTEM
from apps.telemetry.models import Sighting, StaleHour, Task, TaskHour, Touch, Trace, UsageHour
from apps.telemetry.rules.sums import TASK_FIELDS, Sums
from apps.telemetry.selectors.metrics import everything, read_sums
from apps.telemetry.services import fold, rollups
from apps.telemetry.services.closing import mark_silent_tasks
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.outcomes import record_outcome
from apps.telemetry.services.settle import settle
from apps.telemetry.tasks import close_due, fold_due, roll_up_due
from tests.telemetry.runs import NOW, inside, run, send, settle_all, step

pytestmark = pytest.mark.committed


def statuses(organization) -> dict[str, str]:
    with inside(organization):
        return dict(Task.objects.values_list("task_id", "status"))


def snapshot(organization) -> list:
    """Return everything that was computed, without the times of computing."""
    with inside(organization):
        tasks = list(Task.objects.order_by("task_id").values())
        for task in tasks:
            task.pop("folded_at")
            task.pop("outcome_at")
        hours = [
            {name: value for name, value in row.items() if name != "id"}
            for row in TaskHour.objects.order_by(
                "hour", "agent", "agent_version", "environment", "task_type", "model"
            ).values()
        ]
        usage = [
            {name: value for name, value in row.items() if name != "id"}
            for row in UsageHour.objects.order_by("hour", "agent", "model", "tool", "agent_version").values()
        ]
        return [tasks, list(Trace.objects.order_by("trace_id").values()), hours, usage]


def test_a_trace_becomes_a_task_with_everything_it_took(committed_world):
    acme = committed_world.acme
    send(acme, *run("t1", task_type="refund", user_id="u1", conversation_id="c1"))
    settle_all(acme)
    with inside(acme):
        task = Task.objects.get()
        assert (task.task_id, task.status, task.attempt_count, task.trace_ids) == ("t1", "succeeded", 1, ["t1"])
        assert (task.latency_us, task.model_us, task.tool_us, task.own_us) == (
            10_000_000,
            5_000_000,
            2_000_000,
            3_000_000,
        )
        assert (task.cost_usd, task.input_tokens, task.output_tokens) == (Decimal("0.01"), 100, 20)
        assert (task.model, task.tools, task.task_type, task.user_id) == ("model-x", ["search"], "refund", "u1")
        hour = TaskHour.objects.get()
        assert (hour.task_count, hour.succeeded_count, hour.cost_usd) == (1, 1, Decimal("0.01"))
        assert set(UsageHour.objects.values_list("model", "tool", "call_count", "input_tokens")) == {
            ("model-x", None, 1, 100),
            (None, "search", 1, 0),
        }
        assert Sighting.objects.get().agent == "support-agent"
        assert not Touch.objects.exists()
        assert not StaleHour.objects.exists()


def test_children_before_their_root_leave_the_task_running(committed_world):
    acme = committed_world.acme
    root, model, tool = run("t1")
    with time_machine.travel(NOW + timedelta(seconds=20), tick=False):
        send(acme, model, tool)
        settle_all(acme)
        assert statuses(acme) == {"t1": "running"}
        send(acme, root)
        settle_all(acme)
    assert statuses(acme) == {"t1": "succeeded"}
    with inside(acme):
        assert Trace.objects.get().name == "agent"
        assert TaskHour.objects.get().task_count == 1


def test_a_root_that_never_comes_is_not_awaited_forever(committed_world):
    acme = committed_world.acme
    _, model, tool = run("t1")
    with time_machine.travel(NOW + timedelta(seconds=20), tick=False):
        send(acme, model, tool)
        settle_all(acme)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        close_due()
        settle_all(acme)
        assert statuses(acme) == {"t1": "succeeded"}
        assert mark_silent_tasks(acme.id) == 0


def test_a_task_that_never_ends_is_abandoned_after_a_day_and_no_success(committed_world):
    acme = committed_world.acme
    send(acme, step("t1", "root", takes=None, status="unset"), step("t1", "model", parent="root", kind="model"))
    settle_all(acme)
    assert statuses(acme) == {"t1": "running"}
    with time_machine.travel(NOW + timedelta(hours=23), tick=False):
        mark_silent_tasks(acme.id)
        settle_all(acme)
        assert statuses(acme) == {"t1": "running"}
        assert mark_silent_tasks(acme.id) == 0
    with time_machine.travel(NOW + timedelta(hours=25), tick=False):
        assert mark_silent_tasks(acme.id) == 1
        assert mark_silent_tasks(acme.id) == 0
        settle_all(acme)
        assert statuses(acme) == {"t1": "abandoned"}
        assert mark_silent_tasks(acme.id) == 0
    with inside(acme):
        sums = read_sums(everything())[()]
        assert (sums.abandoned_count, sums.success_rate, sums.error_rate) == (1, 0.0, 0.0)
        assert Task.objects.get().latency_us is None
    with time_machine.travel(NOW + timedelta(hours=26), tick=False):
        send(acme, step("t1", "late", at=90_000, kind="model"), step("t1", "root2", at=90_001))
        settle_all(acme)
    assert statuses(acme) == {"t1": "succeeded"}


def test_a_trace_that_lasts_for_weeks_keeps_its_beginning(committed_world):
    acme = committed_world.acme
    day = 24 * 3600
    send(acme, step("t1", "root", at=-30 * day, takes=31 * day - 100), step("t1", "m1", parent="root", at=-30 * day))
    settle_all(acme)
    send(acme, step("t1", "m2", parent="root", at=-200))
    settle_all(acme)
    with inside(acme):
        task = Task.objects.get()
        assert (task.span_count, task.started_at) == (3, NOW - timedelta(days=30))
        assert TaskHour.objects.get().hour == (NOW - timedelta(days=30)).replace(minute=0)


def test_a_retry_with_the_tasks_id_is_an_attempt_and_no_second_task(committed_world):
    acme = committed_world.acme
    send(acme, *run("try1", task_id="ticket", status="error", error_category="timeout"))
    send(acme, *run("try2", task_id="ticket", at=30))
    settle_all(acme)
    with inside(acme):
        task = Task.objects.get()
        assert (task.task_id, task.status, task.attempt_count) == ("ticket", "succeeded", 2)
        assert task.trace_ids == ["try1", "try2"]
        assert task.latency_us == 40_000_000
        assert (task.input_tokens, task.cost_usd, task.error_category) == (200, Decimal("0.02"), None)
        assert TaskHour.objects.get().task_count == 1


def test_a_task_id_that_comes_late_leaves_no_ghost(committed_world):
    acme = committed_world.acme
    root, model, tool = run("t1")
    send(acme, root, model)
    settle_all(acme)
    assert statuses(acme) == {"t1": "succeeded"}
    tool.task_id = "ticket"
    send(acme, tool)
    settle_all(acme)
    assert statuses(acme) == {"ticket": "succeeded"}
    with inside(acme):
        assert read_sums(everything())[()].task_count == 1


CONVERSATION = [
    run("ask", conversation_id="c1", status="waiting", escalation_reason="approval_required"),
    run("resumed", at=600, conversation_id="c1"),
    run("next", at=1200, conversation_id="c1"),
    run("other", at=300, conversation_id="c2"),
    run("stranger", at=300, conversation_id="c1", agent="another-agent"),
]


@pytest.mark.parametrize("seed", range(6))
def test_a_resumed_run_joins_the_waiting_task_and_nothing_else_does(committed_world, seed):
    acme = committed_world.acme
    runs = list(CONVERSATION)
    random.Random(seed).shuffle(runs)
    for spans in runs:
        send(acme, *spans)
        settle_all(acme)
    assert statuses(acme) == {
        "ask": "succeeded",
        "next": "succeeded",
        "other": "succeeded",
        "stranger": "succeeded",
    }
    with inside(acme):
        task = Task.objects.get(task_id="ask")
        assert (task.trace_ids, task.attempt_count) == (["ask", "resumed"], 1)
        assert task.escalation_reason == "approval_required"
        assert (task.latency_us, task.human_us) == (610_000_000, 590_000_000)
        assert read_sums(everything())[()].task_count == 4


def test_a_wait_is_neither_success_nor_failure(committed_world):
    acme = committed_world.acme
    send(acme, *CONVERSATION[0])
    settle_all(acme)
    assert statuses(acme) == {"ask": "waiting"}
    with inside(acme):
        sums = read_sums(everything())[()]
        assert (sums.open_count, sums.known_count, sums.escalated_count) == (1, 0, 1)


def test_outcomes_may_come_before_the_task_and_follow_it_into_another(committed_world):
    acme = committed_world.acme
    with inside(acme):
        record_outcome(actor=SYSTEM, task_id="resumed", evaluated_success=False)
        record_outcome(actor=SYSTEM, trace_id="next", user_success=True, user_score=0.9)
    settle_all(acme)
    for spans in CONVERSATION[:3]:
        send(acme, *spans)
        settle_all(acme)
    with inside(acme):
        assert Task.objects.get(task_id="ask").evaluated_success is False
        following = Task.objects.get(task_id="next")
        assert (following.user_success, following.user_score) == (True, 0.9)
        assert read_sums(everything())[()].good_count == 1


@pytest.mark.parametrize("seed", range(4))
def test_after_a_storm_the_rollups_equal_a_full_scan(committed_world, seed):
    """Duplicates, late spans, split batches, retries, resumptions and late outcomes, folded at any moment."""
    acme, globex = committed_world.acme, committed_world.globex
    draw = random.Random(seed)
    runs = []
    for number in range(60):
        at = draw.uniform(-40 * 3600, 0)
        failed = draw.random() < 0.3
        fields = {
            "at": at,
            "takes": draw.lognormvariate(2, 1.5),
            "agent": draw.choice(["support-agent", "booking-agent"]),
            "agent_version": draw.choice([None, "1", "2"]),
            "cost": Decimal(draw.randint(0, 5000)) / 100_000,
            "status": "error" if failed else draw.choice(["ok", "ok", "waiting"]),
            "error_category": "timeout" if failed else None,
            "task_id": draw.choice([None, None, f"ticket-{number % 7}"]),
            "conversation_id": draw.choice([None, f"c{number % 9}"]),
        }
        runs.append(run(f"t{number}", **fields))
    spans = [span for group in runs for span in group]
    order = spans + draw.choices(spans, k=60)
    draw.shuffle(order)
    seen: set[tuple[str, str]] = set()
    while order:
        batch = [order.pop() for _ in range(min(len(order), draw.randint(1, 30)))]
        fresh = {(span.trace_id, span.span_id): span for span in batch}
        send(acme, *fresh.values())
        seen |= set(fresh)
        if draw.random() < 0.4:
            settle(acme.id)
        if draw.random() < 0.3:
            with inside(acme):
                known = draw.choice(spans).trace_id
                record_outcome(
                    actor=SYSTEM,
                    trace_id=known,
                    evaluated_success=draw.choice([True, False, None]),
                    business_value_usd=Decimal(draw.randint(1, 100)),
                )
    settle_all(acme)
    assert len(seen) == len(spans)
    with inside(acme):
        scanned = Sums()
        for task in Task.objects.values(*TASK_FIELDS):
            scanned.add_task(task)
        summed = read_sums(everything())[()]
        assert summed.stored() == scanned.stored()
        latencies = sorted(Task.objects.exclude(latency_us=None).values_list("latency_us", flat=True))
        for share in (0.5, 0.95, 0.99):
            exact = latencies[int(share * (len(latencies) - 1))]
            assert summed.latency.quantile(share) == pytest.approx(exact, rel=0.01)
        assert summed.input_tokens == 100 * len(runs)
        assert summed.cost_usd == sum(group[1].reported_cost_usd for group in runs)
        assert sum(UsageHour.objects.values_list("input_tokens", flat=True)) == summed.input_tokens
        assert sum(UsageHour.objects.values_list("cost_usd", flat=True)) == summed.cost_usd
        assert sum(Task.objects.values_list("span_count", flat=True)) == len(spans)
    # The same set in one go gives the same picture.
    before = snapshot(acme)
    with inside(acme), connection.cursor() as cursor:
        for table in ("trace", "task", "taskhour", "usagehour"):
            cursor.execute(f"DELETE FROM telemetry_{table} WHERE organization_id = %s", [acme.id])
        Touch.objects.bulk_create(
            Touch(organization_id=acme.id, trace_id=group[0].trace_id, started_at=group[0].started_at) for group in runs
        )
    settle_all(acme)
    assert snapshot(acme) == before
    assert statuses(globex) == {}


def test_two_workers_fold_everything_once(committed_world):
    acme = committed_world.acme
    for number in range(30):
        send(acme, *run(f"t{number}", at=-number * 120))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                fold_due()
                roll_up_due()
                settle(acme.id)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for number in range(30, 60):
        send(acme, *run(f"t{number}", at=-number * 120))
    for worker in workers:
        worker.join(timeout=60)
    assert failures == []
    settle_all(acme)
    with inside(acme):
        assert Task.objects.count() == 60
        sums = read_sums(everything())[()]
        assert (sums.task_count, sums.input_tokens, sums.cost_usd) == (60, 6000, Decimal("0.60"))
        assert not Touch.objects.exists()


@pytest.mark.parametrize("broken", ["save_traces", "fold_tasks", "mark_hours", "_save_sightings"])
def test_a_crash_while_folding_loses_nothing_and_doubles_nothing(committed_world, monkeypatch, broken):
    acme = committed_world.acme
    send(acme, *run("t1"))

    def crash(*args):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(fold, broken, crash)
        fold_pending(acme.id)
    with inside(acme):
        assert Touch.objects.exists()
        assert not Task.objects.exists()
    settle_all(acme)
    with inside(acme):
        assert read_sums(everything())[()].task_count == 1


@pytest.mark.parametrize("broken", ["_roll_up_tasks", "_roll_up_usage"])
def test_a_crash_between_fold_and_rollup_loses_nothing(committed_world, monkeypatch, broken):
    acme = committed_world.acme
    send(acme, *run("t1"), *run("t2", at=-7200))
    fold_pending(acme.id)

    def crash(*args):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(rollups, broken, crash)
        roll_up_due()
    with inside(acme):
        assert StaleHour.objects.count() == 2
        assert not TaskHour.objects.exists()
    settle_all(acme)
    with inside(acme):
        assert read_sums(everything())[()].task_count == 2


def test_a_reader_waits_for_what_a_worker_has_claimed(committed_world):
    acme = committed_world.acme
    send(acme, *run("t1"))
    claimed, release = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with inside(acme):
                fold_pending(acme.id)
                claimed.set()
                release.wait(5)
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    assert claimed.wait(5)
    threading.Timer(0.2, release.set).start()
    settle(acme.id)
    worker.join()
    assert statuses(acme) == {"t1": "succeeded"}


def test_a_busy_hour_is_recomputed_less_often_but_at_last(committed_world, monkeypatch):
    acme = committed_world.acme
    monkeypatch.setattr(rollups, "PAUSE_PER_TASK_US", 3_600_000_000)
    send(acme, *run("t1"))
    fold_due()
    roll_up_due()
    send(acme, *run("t2", at=5))
    fold_due()
    roll_up_due()
    with inside(acme):
        assert TaskHour.objects.get().task_count == 1
        StaleHour.objects.update(marked_at=timezone.now() - timedelta(hours=2))
    roll_up_due()
    with inside(acme):
        assert TaskHour.objects.get().task_count == 2


def test_folding_a_batch_takes_as_many_statements_for_many_traces_as_for_few(
    committed_world, django_assert_max_num_queries
):
    acme = committed_world.acme
    counts = []
    for size in (3, 60):
        send(acme, *(span for number in range(size) for span in run(f"s{size}-{number}", conversation_id=f"c{number}")))
        with django_assert_max_num_queries(25) as context:
            fold_pending(acme.id)
        counts.append(len(context))
    assert counts[0] == counts[1]

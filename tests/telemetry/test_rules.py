"""Folding as arithmetic: any order, each token and each microsecond once."""

import random
from decimal import Decimal
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.rules.assignment import LONGEST_WAIT_US, Member, assign_tasks
from apps.telemetry.rules.components import component_times
from apps.telemetry.rules.facts import SpanFacts, TraceFacts
from apps.telemetry.rules.fold import ROOT_AWAITED_US, fold_task, fold_trace
from apps.telemetry.rules.histogram import Histogram
from apps.telemetry.rules.sums import Sums

SECOND = 1_000_000
LATER = 10_000 * SECOND


def span(span_id: str, parent: str | None = None, at: float = 0, takes: float | None = 1, **fields) -> SpanFacts:
    facts = dict.fromkeys(SpanFacts.__struct_fields__)
    facts |= {
        "trace_id": "t",
        "span_id": span_id,
        "parent_span_id": parent,
        "name": span_id,
        "kind": "agent" if parent is None else "step",
        "status": "unset" if takes is None else "ok",
        "started_us": round(at * SECOND),
        "duration_us": None if takes is None else round(takes * SECOND),
        "agent": "a",
        "price_state": "none",
        "is_usage_summary": False,
        **fields,
    }
    return SpanFacts(**facts)


def fold(*spans: SpanFacts, now: int = LATER) -> TraceFacts:
    return fold_trace(spans, now)


def test_the_order_of_arrival_does_not_matter():
    spans = [
        span("root", at=0, takes=10, task_type="refund"),
        span("m1", "root", 1, 2, kind="model", model="x", input_tokens=5, output_tokens=1),
        span("m2", "root", 2, 3, kind="model", model="y", input_tokens=7, output_tokens=1, agent="b"),
        span("tool", "m2", 6, 1, kind="tool", tool="search", status="error", error_category="timeout"),
    ]
    first = msgspec.json.encode(fold(*spans))
    assert all(msgspec.json.encode(fold(*order)) == first for order in permutations(spans))


def test_an_error_below_a_good_root_is_hidden_and_no_failure():
    trace = fold(span("root", takes=5), span("tool", "root", 1, kind="tool", status="error", error_category="timeout"))
    assert (trace.status, trace.error_count, trace.error_category) == ("succeeded", 1, None)
    assert fold_task("t", [trace], LATER).hidden_error_count == 1


def test_a_failed_root_names_the_cause_below_it():
    trace = fold(
        span("root", takes=5, status="error", error_category="internal_error", status_message="broke"),
        span("tool", "root", 1, kind="tool", status="error", error_category="tool_failure"),
    )
    assert (trace.status, trace.error_category, trace.status_message) == ("failed", "tool_failure", "broke")
    assert fold_task("t", [trace], LATER).hidden_error_count == 0


@pytest.mark.parametrize(
    ("spans", "status"),
    [
        ([span("start", takes=None), span("tool", "x", 1, kind="tool")], "running"),
        ([span("start", takes=None), span("end", at=5, takes=0)], "succeeded"),
        ([span("start", takes=None), span("end", at=5, takes=0, status="error")], "failed"),
        ([span("try", status="error"), span("again", at=2)], "succeeded"),
        ([span("good"), span("again", at=2, status="error")], "failed"),
        ([span("first"), span("next", at=2, takes=None)], "running"),
        ([span("e1", kind="tool", status="error"), span("e2", at=2, kind="model")], "succeeded"),
        ([span("e1", kind="tool"), span("e2", at=2, kind="model", status="error")], "failed"),
        ([span("root", takes=5), span("ask", "root", 1, kind="human", status="waiting")], "waiting"),
        (
            [
                span("root", takes=9),
                span("ask", "root", 1, kind="human", status="waiting"),
                span("said", "root", 5, kind="human"),
            ],
            "succeeded",
        ),
        ([span("root", takes=None, status="waiting")], "waiting"),
        ([span("a", "b"), span("b", "a", 1)], "succeeded"),
        ([span("root", takes=0)], "succeeded"),
    ],
)
def test_the_end_of_a_trace(spans, status):
    assert fold(*spans).status == status


def test_a_trace_without_its_root_waits_for_it_but_not_forever():
    orphan = span("model", "root", 0, 2, kind="model", status="error", error_category="timeout")
    assert fold(orphan, now=3 * SECOND).status == "running"
    assert fold(orphan, now=3 * SECOND + ROOT_AWAITED_US).status == "failed"
    own_run = span("run", "a web request elsewhere", 0, 2, kind="agent")
    assert fold(own_run, now=3 * SECOND).status == "succeeded"


def test_sums_repeated_above_are_counted_once():
    used = {"input_tokens": 10, "output_tokens": 2, "cost_usd": Decimal("0.5"), "price_state": "priced"}
    summary = {**used, "is_usage_summary": True}
    trace = fold(
        span("root", takes=9, **{**summary, "input_tokens": 20}),
        span("agent", "root", 1, 5, kind="agent", **summary),
        span("m1", "agent", 1, kind="model", model="x", **used),
        span("m2", "root", 7, kind="model", model="x", **used),
    )
    assert (trace.input_tokens, trace.output_tokens, trace.cost_usd) == (20, 4, Decimal("1.0"))
    assert trace.model == "x"
    only_sums = fold(span("root", takes=9, **{**summary, "input_tokens": 20}), span("agent", "root", 1, **summary))
    assert (only_sums.input_tokens, only_sums.cost_usd) == (20, Decimal("0.5"))


def test_one_call_seen_by_two_instrumentations_is_one_call():
    used = {"kind": "model", "model": "x", "input_tokens": 10, "output_tokens": 2, "cost_usd": Decimal(1)}
    trace = fold(
        span("root", takes=9),
        span("outer", "root", 1, 3, **used),
        span("glue", "outer", 1, 2),
        span("inner", "glue", 1, 2, **used),
        span("other", "root", 5, 1, **used),
    )
    assert (trace.input_tokens, trace.cost_usd) == (20, Decimal(2))
    assert sum(use.call_count for use in trace.usage if use.model) == 2


def test_tokens_of_a_tool_count_and_a_tools_own_cost_too():
    trace = fold(
        span("root", takes=9),
        span(
            "tool", "root", 1, kind="tool", tool="search", input_tokens=150, output_tokens=50, cost_usd=Decimal("0.002")
        ),
        span("paid", "root", 2, kind="tool", tool="maps", cost_usd=Decimal("0.01")),
    )
    assert (trace.input_tokens, trace.cost_usd) == (150, Decimal("0.012"))


def test_a_cost_that_nobody_knows_is_not_nothing():
    trace = fold(span("root"), span("m", "root", kind="model", input_tokens=1, price_state="unpriced"))
    assert (trace.cost_usd, trace.unpriced_count) == (None, 1)
    assert fold_task("t", [trace], LATER).cost_usd is None


intervals = st.lists(
    st.tuples(st.sampled_from(["model", "tool", "human", "queue", "step"]), st.integers(0, 50), st.integers(1, 30)),
    max_size=12,
)


@given(intervals)
def test_components_cover_the_time_once_and_exactly(parts):
    spans = [span("root", at=0, takes=100)]
    spans += [span(f"s{n}", "root", at, takes, kind=kind) for n, (kind, at, takes) in enumerate(parts)]
    times = component_times(spans, 0, 100 * SECOND)
    assert sum(times.values()) == 100 * SECOND
    seconds = {kind: set() for kind in ("human", "queue", "model", "tool", "step")}
    for kind, at, takes in parts:
        seconds[kind] |= set(range(at, at + takes))
    left = set(range(100))
    for kind in ("human", "queue", "model", "tool"):
        assert times[f"{kind}_us"] == len(seconds[kind] & left) * SECOND
        left -= seconds[kind]
    assert times["own_us"] == len(left) * SECOND


def member(trace_id: str, at: int, status: str = "succeeded", task: str | None = None, agent: str = "a") -> Member:
    return Member(trace_id, at, agent, status, task)


def test_a_chain_of_waits_is_one_task_and_what_follows_is_not():
    chain = [
        member("1", 1, "waiting"),
        member("2", 2, "waiting"),
        member("3", 3),
        member("4", 4),
        member("5", 5, "waiting", task="ticket"),
        member("6", 6, "failed"),
        member("7", 7, agent="b"),
        member("8", 8, "waiting"),
        member("9", 9 + LONGEST_WAIT_US),
    ]
    expected = {"1": "1", "2": "1", "3": "1", "4": "4", "5": "ticket", "6": "ticket", "7": "7", "8": "8", "9": "9"}
    for seed in range(10):
        random.Random(seed).shuffle(chain)
        assert assign_tasks(chain) == expected


def test_two_parallel_waits_are_resumed_latest_first():
    members = [member("1", 1, "waiting", task="x"), member("2", 2, "waiting", task="y"), member("3", 3), member("4", 4)]
    assert assign_tasks(members) == {"1": "x", "2": "y", "3": "y", "4": "x"}


tasks = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["running", "waiting", "succeeded", "failed", "abandoned"]),
            "error_category": st.sampled_from([None, "timeout", "internal_error"]),
            "escalation_reason": st.sampled_from([None, "user_request"]),
            "evaluated_success": st.sampled_from([None, True, False]),
            "user_success": st.sampled_from([None, True, False]),
            "outcome_name": st.sampled_from([None, "resolved"]),
            "business_value_usd": st.none() | st.decimals(0, 100, places=2),
            "cost_usd": st.none() | st.decimals(0, 10, places=4),
            "unpriced_count": st.integers(0, 2),
            "hidden_error_count": st.integers(0, 2),
            "input_tokens": st.integers(0, 10_000),
            "output_tokens": st.integers(0, 10_000),
            "latency_us": st.none() | st.integers(0, 10**10),
            **{f"{name}_us": st.integers(0, 10**9) for name in ("model", "tool", "human", "queue", "own")},
        }
    ),
    max_size=30,
)


@given(tasks, st.integers(0, 30))
def test_sums_of_parts_are_the_sum(found, cut):
    whole, left, right = Sums(), Sums(), Sums()
    for index, task in enumerate(found):
        whole.add_task(task)
        (left if index < cut else right).add_task(task)
    assert Sums.of([left, right]).stored() == Sums.of([right, left]).stored() == whole.stored()
    assert whole.task_count == len(found) == whole.ended_count + whole.open_count
    stored = whole.stored()
    again = Sums()
    again.latency = Histogram.from_arrays(stored["latency_buckets"], stored["latency_counts"])
    assert again.latency.arrays() == whole.latency.arrays()

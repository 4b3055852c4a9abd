"""The event format, the Agents SDK's export and Langfuse's scores: whatever arrives is taken or refused in words."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.telemetry.normal import KINDS, STATUSES, Limits, WireError
from apps.telemetry.wire import guide_events, langfuse_scores, openai_agents

LIMITS = Limits()
EVENT = {
    "timestamp": "2026-01-15T10:30:00.000Z",
    "trace_id": "trace_abc123",
    "span_id": "span_def456",
    "agent_id": "customer-support-v2",
    "task_id": "task_xyz789",
    "event_type": "tool_call",
    "tool_name": "search_knowledge_base",
    "input": {"query": "refund policy"},
    "output": {"results": [1, 2]},
    "duration_ms": 234,
    "tokens_used": {"input": 150, "output": 50},
    "cost_usd": 0.002,
}
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def read(*events, limits=LIMITS):
    return guide_events.decode(json.dumps(list(events)).encode(), limits)


def test_the_format_as_it_is_written_down():
    (span,) = read(EVENT).spans
    assert (span.trace_id, span.span_id, span.task_id) == ("trace_abc123", "span_def456", "task_xyz789")
    assert (span.kind, span.tool, span.agent, span.status) == (
        "tool",
        "search_knowledge_base",
        "customer-support-v2",
        "ok",
    )
    assert (span.duration_us, span.input_tokens, span.output_tokens) == (234_000, 150, 50)
    assert str(span.reported_cost_usd) == "0.002"
    assert (json.loads(span.input), json.loads(span.output)) == (EVENT["input"], EVENT["output"])
    assert not span.is_usage_summary


def test_what_may_be_added():
    more = {
        "parent_span_id": "p",
        "model": "gpt-4o",
        "error": {"type": "Timeout", "message": "too slow"},
        "user": "raj",
        "task_type": "refund",
        "environment": "prod",
        "version": "1.2",
        "conversation_id": "c",
        "escalation_reason": "error",
        "tenant": "acme",
    }
    (span,) = read(EVENT | more).spans
    assert (span.parent_span_id, span.model, span.user_id, span.task_type) == ("p", "gpt-4o", "raj", "refund")
    assert (span.environment, span.agent_version, span.conversation_id) == ("prod", "1.2", "c")
    assert (span.status, span.error_type, span.error_category) == ("error", "Timeout", "timeout")
    assert (span.escalation_reason, span.attributes["tenant"]) == ("error", "acme")


@pytest.mark.parametrize("joined", ["\n", "\r\n", "\n\n"])
def test_an_object_an_array_and_lines_mean_the_same(joined):
    events = [EVENT, EVENT | {"span_id": "other"}]
    as_array = guide_events.decode(json.dumps(events, indent=1).encode(), LIMITS).spans
    assert guide_events.decode(joined.join(map(json.dumps, events)).encode(), LIMITS).spans == as_array
    assert guide_events.decode(json.dumps(EVENT, indent=2).encode(), LIMITS).spans == as_array[:1]


def test_a_bad_line_costs_only_itself():
    body = b"\n".join([json.dumps(EVENT).encode(), b"{nonsense", b'{"a": "\xff"}', b"3", json.dumps(EVENT).encode()])
    decoded = guide_events.decode(body, LIMITS)
    assert len(decoded.spans) == 2
    assert [one.index for one in decoded.rejected] == [1, 2, 3]


@settings(max_examples=400, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*EVENT, "usage", "error", "status", "user", "x"]), VALUES, max_size=6))
def test_no_value_of_an_event_raises(changes):
    decoded = read(EVENT | changes, EVENT)
    assert decoded.spans[-1].span_id == "span_def456"
    assert len(decoded.spans) + len(decoded.rejected) == 2
    for span in decoded.spans:
        assert span.kind in KINDS
        assert span.status in STATUSES
    assert all(one.reason for one in decoded.rejected)


@settings(max_examples=400, deadline=None)
@given(body=st.binary(max_size=120) | VALUES.map(msgspec.json.encode))
def test_any_body_is_read_or_refused_as_a_whole(body):
    for decode in (
        lambda: guide_events.decode(body, LIMITS),
        lambda: openai_agents.decode(body, LIMITS),
        lambda: langfuse_scores.decode_scores(body),
        lambda: langfuse_scores.decode_batch(body),
    ):
        try:
            decode()
        except WireError as error:
            assert str(error)


SPAN = {
    "object": "trace.span",
    "id": "span_1",
    "trace_id": "trace_1",
    "parent_id": None,
    "started_at": "2026-11-22T21:42:17.902828+00:00",
    "ended_at": "2026-11-22T21:42:17.903919+00:00",
    "span_data": {"type": "generation", "model": "gpt-4o", "usage": {"input_tokens": 7, "output_tokens": 3}},
    "error": None,
}


@settings(max_examples=400, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(list(SPAN)), VALUES, max_size=3),
    data=st.dictionaries(st.sampled_from(["type", "name", "data", "usage", "output", "model", "to_agent"]), VALUES),
    trace=st.dictionaries(st.sampled_from(["workflow_name", "group_id", "metadata", "id"]), VALUES),
)
def test_no_value_of_an_agents_export_raises(changes, data, trace):
    items = [
        {"object": "trace", "id": "trace_1"} | trace,
        SPAN | {"span_data": SPAN["span_data"] | data} | changes,
        SPAN | {"id": "good"},
    ]
    decoded = openai_agents.decode(msgspec.json.encode({"data": items}), LIMITS)
    assert decoded.spans[-1].span_id == "good"


def test_cached_and_reasoning_tokens_of_the_agents_export_are_parts():
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    item = SPAN | {"span_data": {"type": "response", "response_id": "resp_1", "usage": usage}}
    (span,) = openai_agents.decode(msgspec.json.encode({"data": [item]}), LIMITS).spans
    assert (span.input_tokens, span.cache_read_tokens, span.output_tokens, span.reasoning_tokens) == (100, 40, 9, 5)


@pytest.mark.parametrize(
    ("sent", "evaluated", "by_user"),
    [
        ({"name": "success", "value": 1.0, "dataType": "BOOLEAN"}, True, None),
        ({"name": "success", "value": 0, "dataType": "BOOLEAN"}, False, None),
        ({"name": "correctness", "value": 0.9}, True, None),
        ({"name": "correctness", "value": 4}, None, None),
        ({"name": "verdict", "value": "fail"}, False, None),
        ({"name": "toxicity", "value": 0.9}, None, None),
        ({"name": "hallucination", "value": True}, None, None),
        ({"name": "latency", "value": 0.7}, None, None),
        ({"name": "User Feedback", "value": 1}, None, True),
        ({"name": "user-feedback", "value": 0}, None, False),
        ({"name": "rating", "value": 4}, None, None),
        ({"name": "tone", "value": False, "source": "ANNOTATION"}, None, False),
    ],
)
def test_a_score_decides_only_what_it_speaks_of(sent, evaluated, by_user):
    ((_, score),) = langfuse_scores.decode_scores(json.dumps([{"traceId": "t", **sent}]).encode())
    assert (score.evaluated_success, score.user_success, score.name) == (evaluated, by_user, sent["name"])


def test_a_bad_score_in_an_array_costs_only_itself():
    good = {"traceId": "t", "name": "success", "value": True, "id": "s1"}
    (first, second) = langfuse_scores.decode_scores(json.dumps([{"name": "x"}, good]).encode())
    assert isinstance(first[1], str)
    assert second[0] == "s1"
    with pytest.raises(WireError):
        langfuse_scores.decode_scores(b'{"name": "x"}')

"""Properties of reading spans: no order, no encoding and no oddity of a value changes what is stored."""

import json
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from apps.telemetry import dialects
from apps.telemetry.dialects import tables
from apps.telemetry.normal import KINDS, STATUSES, Limits, NormalSpan, TooManySpans, WireError
from apps.telemetry.rules.outcomes import error_category, escalation_reason, is_handover
from apps.telemetry.rules.waits import continue_silent_tools
from apps.telemetry.wire import lazy, otlp

START = 1_795_383_759_123_456_789
LIMITS = Limits()
NAMES = sorted(
    {key for dialect in dialects.DIALECTS for key in (*dialect.FIELDS, *getattr(dialect, "READERS", {}))}
    | {"metadata", "langfuse.trace.metadata.task_id", "langfuse.trace.metadata.", "something.else"}
    | {"llm.input_messages.0.message.role", "llm.input_messages.0", "llm.input_messages.", "otel.links"}
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", '"', '""', '"x"', "{}", "[]", '{"input": 3}', "null", "NaN", "-1", "1e400", "9" * 30, "\x00"]),
    st.sampled_from(["LLM", "chat", "TOOL", '"AGENT"', "ERROR", '{"approvals": [1]}', '{"input": "x", "total": {}}']),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=12), VALUES, max_size=14)


def any_value(value) -> AnyValue:
    sent = AnyValue()
    if isinstance(value, str):
        sent.string_value = value
    elif isinstance(value, bool):
        sent.bool_value = value
    elif isinstance(value, int):
        sent.int_value = value
    elif isinstance(value, float):
        sent.double_value = value
    elif isinstance(value, list):
        sent.array_value.values.extend([any_value(item) for item in value])
        sent.array_value.SetInParent()
    elif isinstance(value, dict):
        sent.kvlist_value.SetInParent()
        for key, item in value.items():
            sent.kvlist_value.values.add(key=key).value.CopyFrom(any_value(item))
    return sent


def json_value(value, *, numbers_as_text=True):
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value) if numbers_as_text else value}
    if isinstance(value, float):
        words = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
        return {"doubleValue": words.get(repr(value), value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [json_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": json_value(item)} for key, item in value.items()]}}
    return {}


def protobuf(attributes, *, scope="s", status=0, events=(), resource=None) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in (resource or {}).items():
        resource_spans.resource.attributes.add(key=key).value.CopyFrom(any_value(value))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    span = scope_spans.spans.add(trace_id=b"\x11" * 16, span_id=b"\x22" * 8, name="step")
    span.start_time_unix_nano, span.end_time_unix_nano = START, START + 5_000_000
    span.status.code = status
    for key, value in attributes.items():
        span.attributes.add(key=key).value.CopyFrom(any_value(value))
    for kind, message in events:
        event = span.events.add(name="exception", time_unix_nano=START)
        event.attributes.add(key="exception.type").value.string_value = kind
        event.attributes.add(key="exception.message").value.string_value = message
    return request.SerializeToString()


def as_json(attributes, **more) -> bytes:
    span = {
        "traceId": "11" * 16,
        "spanId": "22" * 8,
        "name": "step",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": START + 5_000_000,
        "attributes": [{"key": key, "value": json_value(value)} for key, value in attributes.items()],
        **more,
    }
    scope_spans = {"scope": {"name": "s"}, "spans": [span]}
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [scope_spans]}]}).encode()


def read(attributes, **more) -> NormalSpan:
    decoded = otlp.decode_protobuf(protobuf(attributes, **more), LIMITS)
    assert not decoded.rejected
    return decoded.spans[0]


@settings(max_examples=300, deadline=None)
@given(attributes=ATTRIBUTES, status=st.integers(0, 2))
def test_no_value_of_any_attribute_costs_the_span(attributes, status):
    span = read(attributes, status=status)
    assert span.kind in KINDS
    assert span.status in STATUSES
    assert (span.error_category is not None) == (span.status == "error")
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
        tokens = getattr(span, name)
        assert tokens is None or (type(tokens) is int and tokens >= 0)
    for name in ("agent", "task_id", "conversation_id", "user_id", "model", "tool", "escalation_reason"):
        text = getattr(span, name)
        assert text is None or (type(text) is str and 0 < len(text) <= 500)
    assert span.reported_cost_usd is None or isinstance(span.reported_cost_usd, Decimal)


@settings(max_examples=300, deadline=None)
@given(attributes=ATTRIBUTES)
def test_both_encodings_mean_the_same(attributes):
    in_json = otlp.decode_json(as_json(attributes), LIMITS).spans
    in_protobuf = otlp.decode_protobuf(protobuf(attributes), LIMITS).spans
    assert repr(in_json) == repr(in_protobuf)  # repr: NaN is not equal to itself


@settings(max_examples=300, deadline=None)
@given(attributes=ATTRIBUTES, seed=st.integers(0, 1000))
def test_the_order_of_attributes_does_not_matter(attributes, seed):
    keys = list(attributes)
    random.Random(seed).shuffle(keys)
    one, other = read(attributes), read({key: attributes[key] for key in keys})
    assert repr(sorted(one.attributes.items())) == repr(sorted(other.attributes.items()))
    one.attributes = other.attributes = {}
    assert repr(one) == repr(other)


@settings(max_examples=300, deadline=None)
@given(key=st.text(max_size=140), value=VALUES)
def test_the_short_way_to_an_attribute_reads_what_protobuf_reads(key, value):
    pair = lazy.KeyValue(key=key, value=any_value(value))
    read_pair = lazy.Pairs().read([pair.SerializeToString()])
    assert repr(read_pair) == repr({pair.key: lazy.value_of(pair.value)})


@settings(max_examples=500, deadline=None)
@given(raw=st.binary(max_size=40))
def test_broken_bytes_of_an_attribute_are_read_like_protobuf_reads_them_or_refused(raw):
    try:
        expected = lazy.KeyValue.FromString(raw)
    except lazy.DecodeError:
        with pytest.raises((lazy.DecodeError, ValueError)):
            lazy.Pairs().read([raw])
    else:
        assert repr(lazy.Pairs().read([raw])) == repr({expected.key: lazy.value_of(expected.value)})


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_body_is_read_or_refused_as_a_whole(body):
    for decode in (otlp.decode_json, otlp.decode_protobuf):
        try:
            decode(body, LIMITS)
        except WireError as error:
            assert str(error)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0a\x01k\x12\x03\x0a\x01v",
        b"\x0a\x01k\x12\x03\x0a\x01v\x12\x03\x0a\x01w",  # the value twice: the later one
        b"\x0a\x01k\x12\x05\x0a\x01v\x18\x01",  # two kinds of value: the later one
        b"\x0a\x01k\x12\x03\x0a\x01v\x18\x01",  # an unknown field after them
        b"\x0a\x01k\x12\x02\x18\x7f",
        b"\x0a\x01k\x12\x03\x18\x80\x01",
        b"\x0a\x01k\x12\x04\x18\x80\x80\x00",  # a number written longer than it need be
        b"\x0a\x01k\x12\x04\x18\x01\x18\x02",
        b"\x0a\x01k\x12\x02\x0a\x00",
        b"\x12\x03\x0a\x01v\x0a\x01k",  # the value first
        b"\x0a\x81\x00k\x12\x03\x0a\x01v",  # a length written longer than it need be
        lazy.KeyValue(key="k" * 200, value=AnyValue(string_value="v" * 200)).SerializeToString(),
        lazy.KeyValue(key="k", value=AnyValue(int_value=-1)).SerializeToString(),
        lazy.KeyValue(key="k", value=AnyValue(int_value=2**63 - 1)).SerializeToString(),
    ],
)
def test_unusual_ways_to_write_an_attribute_are_read_as_protobuf_reads_them(raw):
    expected = lazy.KeyValue.FromString(raw)
    assert lazy.Pairs().read([raw]) == {expected.key: lazy.value_of(expected.value)}


def test_of_two_structures_with_the_same_fact_the_first_by_rank_wins_in_either_order():
    sent = {"metadata": '{"task_id": "B"}', "langfuse.trace.metadata.task_id": "A"}
    usage = {
        "mlflow.chat.tokenUsage": '{"input_tokens": 5, "output_tokens": 1}',
        "langfuse.observation.usage_details": '{"input": 7, "output": 2}',
    }
    for one in ({**sent, **usage}, dict(reversed({**sent, **usage}.items()))):
        span = read(one)
        assert (span.task_id, span.input_tokens, span.output_tokens) == ("A", 7, 2)


def test_one_span_that_is_not_utf8_costs_only_itself():
    request = ExportTraceServiceRequest.FromString(protobuf({"a": "fine"}))
    spans = request.resource_spans[0].scope_spans[0].spans
    spans.add().CopyFrom(spans[0])
    spans[0].name = "badXX"
    decoded = otlp.decode_protobuf(request.SerializeToString().replace(b"badXX", b"bad\xff\xfe"), LIMITS)
    assert [span.name for span in decoded.spans] == ["step"]
    assert [(one.index, "utf-8" in one.reason) for one in decoded.rejected] == [(0, True)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"traceId": "0" * 32}, "traceId must be 32 hexadecimal digits"),
        ({"traceId": "EREREREREREREREREREREQ=="}, "traceId must be 32 hexadecimal digits"),
        ({"spanId": "11"}, "spanId must be 16 hexadecimal digits"),
        ({"startTimeUnixNano": "soon"}, "invalid literal"),
        ({"startTimeUnixNano": None}, "start_time_unix_nano is missing"),
        ({"endTimeUnixNano": 1}, "before"),
        ({"attributes": [{"key": 3}]}, "Expected `str`"),
        ({"status": {"code": []}}, "Expected"),
    ],
)
def test_a_bad_span_is_refused_with_its_reason_and_its_batch_is_kept(change, reason):
    body = json.loads(as_json({}))
    good = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    body["resourceSpans"][0]["scopeSpans"][0]["spans"] = [good, {**good, **change}, good]
    decoded = otlp.decode_json(json.dumps(body).encode(), LIMITS)
    assert len(decoded.spans) == 2
    assert [one.index for one in decoded.rejected] == [1]
    assert reason in decoded.rejected[0].reason


def test_json_as_lenient_as_the_protocol_asks():
    changes = {
        "traceId": "ABCDEF" + "11" * 13,
        "parentSpanId": None,
        "endTimeUnixNano": None,
        "status": {"code": "STATUS_CODE_ERROR", "message": None},
        "unknownField": {"deep": [1, 2, {"x": None}]},
        "events": None,
        "kind": "SPAN_KIND_CLIENT",
        "droppedAttributesCount": 3,
    }
    (span,) = otlp.decode_json(as_json({}, **changes), LIMITS).spans
    assert span.trace_id == "abcdef" + "11" * 13
    assert (span.duration_us, span.status, span.parent_span_id) == (None, "error", None)
    for nothing in (b"", b"{}", b" ", b'{"resourceSpans": []}', b'{"resourceSpans": null}'):
        assert otlp.decode_json(nothing, LIMITS).spans == []
    assert otlp.decode_protobuf(b"", LIMITS).spans == []


def test_a_batch_over_its_limit_is_refused_whole():
    body = json.loads(as_json({}))
    spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans *= 4
    with pytest.raises(TooManySpans):
        otlp.decode_json(json.dumps(body).encode(), Limits(batch_spans=3))


def test_what_is_over_a_limit_is_cut_with_a_mark():
    limits = Limits(attribute_chars=50, attributes=3, content_chars=60, name_chars=2)
    sent = {"input.value": "i" * 100, "a": "x" * 100, "b": ["y" * 100], "c": 1, "d": 2}
    (span,) = otlp.decode_protobuf(protobuf(sent), limits).spans
    assert span.name == "st"
    assert (len(span.input), span.input.endswith("… [cut]")) == (60, True)
    assert (len(span.attributes["a"]), span.attributes["a"].endswith("… [cut]")) == (50, True)
    assert span.attributes["b"].endswith("… [cut]")
    assert span.attributes["agentops.dropped_attributes"] == 1


def test_where_names_of_several_dialects_meet_the_first_wins_and_the_others_stay():
    span = read(
        {
            "gen_ai.system": "gcp.vertex.agent",
            "gen_ai.provider.name": "gcp.gemini",
            "llm.provider": "google",
            "llm.model_name": "gemini-2.0-flash",
            "gen_ai.request.model": "gemini-2.0",
            "gen_ai.usage.input_tokens": 10,
            "llm.token_count.prompt": 11,
        }
    )
    assert (span.provider, span.model, span.input_tokens) == ("gcp.gemini", "gemini-2.0-flash", 10)
    assert span.request_model == "gemini-2.0"
    assert span.attributes == {
        "gen_ai.system": "gcp.vertex.agent",
        "llm.provider": "google",
        "llm.token_count.prompt": 11,
    }


@pytest.mark.parametrize(
    ("sent", "tokens"),
    [
        # input, output, cache read, cache write as OpenTelemetry counts: inside.
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 7,
                "gen_ai.usage.cache_read.input_tokens": 40,
                "gen_ai.usage.cache_write.input_tokens": 20,
            },
            (100, 7, 40, 20),
        ),
        # More cached than read in all: they are counted beside each other.
        (
            {
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 7,
                "gen_ai.usage.cache_read_input_tokens": 40,
            },
            (50, 7, 40, None),
        ),
        # The sum says the same where the numbers alone do not.
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 7,
                "gen_ai.usage.cache_creation_input_tokens": 40,
                "gen_ai.usage.total_tokens": 147,
            },
            (140, 7, None, 40),
        ),
        (
            {"langfuse.observation.usage_details": '{"input": 100, "output": 7, "cache_read_input_tokens": 40}'},
            (140, 7, 40, None),
        ),
        (
            {"langfuse.observation.usage_details": '{"input": 100, "output": 7, "input_cache_read": 40, "total": 107}'},
            (100, 7, 40, None),
        ),
        (
            {"mlflow.chat.tokenUsage": '{"input_tokens": 100, "output_tokens": 7, "cache_read_input_tokens": 40}'},
            (100, 7, 40, None),
        ),
        # Two dialects on one span: usage is taken from one of them as a whole.
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 7,
                "langfuse.observation.usage_details": '{"input": 60, "output": 7, "cache_read_input_tokens": 40}',
            },
            (100, 7, None, None),
        ),
    ],
)
def test_input_tokens_include_the_cache_in_every_dialect(sent, tokens):
    span = read(sent)
    assert (span.input_tokens, span.output_tokens, span.cache_read_tokens, span.cache_write_tokens) == tokens


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        ({"events": [("langgraph.errors.GraphInterrupt", "")], "status": 1}, "waiting", "approval_required"),
        ({"events": [("GraphInterrupt", "")], "status": 2}, "waiting", "approval_required"),
        ({"events": [("pydantic_ai.exceptions.ApprovalRequired", "")]}, "waiting", "approval_required"),
        ({"events": [("crewai.flow.HumanFeedbackPending", "")], "status": 1}, "waiting", "approval_required"),
        ({"events": [("ValueError", "caught")], "status": 1}, "ok", None),
        ({"attributes": {"final_result": '{"calls":[],"approvals":[{}]}'}}, "waiting", "approval_required"),
        ({"attributes": {"final_result": '{"calls":[{}],"approvals":[]}'}}, "waiting", None),
        ({"attributes": {"final_result": '{"calls":[],"approvals":[]}'}}, "ok", None),
        (
            {"attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "adk_request_confirmation"}},
            "waiting",
            "approval_required",
        ),
        ({"attributes": {"error.type": "timeout"}}, "error", None),
        ({"attributes": {"gen_ai.tool.name": "transfer_to_human_agents"}}, "ok", "unstated"),
        ({"attributes": {"agentops.escalation.reason": "Policy"}}, "ok", "policy_violation"),
        ({"attributes": {"escalation_reason": "because the moon is full"}}, "ok", "unstated"),
        ({"attributes": {"escalation_reason": "none"}}, "ok", None),
        ({"attributes": {"metadata": '{"escalation_reason": "low_confidence"}'}}, "ok", "low_confidence"),
    ],
)
def test_waits_and_escalations_are_recognised(sent, status, reason):
    span = read(sent.pop("attributes", {}), **sent)
    assert (span.status, span.escalation_reason) == (status, reason)


@pytest.mark.parametrize(
    ("attributes", "resource", "agent"),
    [
        ({}, {"service.name": "support"}, "support"),
        ({}, {"service.name": "unknown_service:python"}, None),
        ({}, {"service.name": "agentops"}, None),
        ({"gen_ai.agent.name": "refunds"}, {"service.name": "support"}, "refunds"),
        ({"metadata": '{"lc_agent_name": "refunds"}'}, {"service.name": "support"}, "refunds"),
        ({"graph.node.id": "clerk"}, {"service.name": "support"}, "support"),
        ({"graph.node.id": "clerk", "openinference.span.kind": "AGENT"}, {"service.name": "support"}, "clerk"),
        ({"openinference.span.kind": "AGENT"}, {}, "step"),
        ({"traceloop.span.kind": "workflow", "traceloop.entity.name": "flow"}, {}, None),
        ({"traceloop.span.kind": "agent", "traceloop.entity.name": "clerk"}, {}, "clerk"),
    ],
)
def test_the_agent_is_named_by_what_says_most(attributes, resource, agent):
    assert read(attributes, resource=resource).agent == agent


def test_metadata_that_people_add_names_task_type_user_and_conversation():
    span = read(
        {
            "langfuse.trace.metadata.task_id": '"T-7"',
            "traceloop.association.properties.user_id": "raj",
            "metadata": '{"thread_id": "t-1", "task_type": "refund", "tenant": "acme"}',
        }
    )
    assert (span.task_id, span.user_id, span.conversation_id, span.task_type) == ("T-7", "raj", "t-1", "refund")
    assert set(span.attributes) == {
        "langfuse.trace.metadata.task_id",
        "traceloop.association.properties.user_id",
        "metadata",
    }


def test_flattened_messages_stand_in_for_a_missing_input_and_stay_whole_beside_one():
    flat = {"llm.input_messages.1.message.role": "tool", "llm.input_messages.0.message.role": "user"}
    whole = [{"message": {"role": "user"}}, {"message": {"role": "tool"}}]
    assert json.loads(read(flat).input) == whole
    span = read({**flat, "input.value": "hello"})
    assert (span.input, span.attributes) == ("hello", {"llm.input_messages": whole})


@pytest.mark.parametrize(
    ("kind", "error_type", "message", "category"),
    [
        ("model", "openai.RateLimitError", "Error code: 429 - synthetic", "rate_limit"),
        ("tool", "HTTPError", "429 Client Error", "rate_limit"),
        ("tool", "ValueError", "order 14290 is unknown", "tool_failure"),
        ("tool", "ValueError", "order #429 is unknown", "tool_failure"),
        ("tool", "httpx.ReadTimeout", "", "timeout"),
        ("agent", None, "upstream said 504", "timeout"),
        ("model", "pydantic_core.ValidationError", "1 validation error", "invalid_output"),
        ("tool", "OperationalError", "relation of schema public is missing", "tool_failure"),
        ("tool", "PermissionError", "not allowed", "tool_failure"),
        ("retrieval", None, None, "tool_failure"),
        ("model", "InternalServerError", "Error code: 500", "tool_failure"),
        ("model", "ValueError", "prompt of 15000 words", "internal_error"),
        ("step", "KeyError", "'x'", "internal_error"),
    ],
)
def test_errors_have_the_category_of_their_cause(kind, error_type, message, category):
    assert error_category(kind, error_type, message) == category


def test_handovers_and_reasons_in_other_words():
    assert all(
        map(is_handover, ("transfer_to_human_agents", "crm__escalate-to-human", "crm.ask_human", "Request Human"))
    )
    assert not any(map(is_handover, ("transfer_to_ops_agent", "transfer_money", "human_resources_lookup", "")))
    assert escalation_reason("Requires approval") == "approval_required"
    assert escalation_reason("LOW_CONFIDENCE") == "low_confidence"
    assert escalation_reason(None) is escalation_reason("") is escalation_reason("none") is None


def test_a_tool_that_returned_nothing_is_no_wait_once_its_agent_went_on():
    def step(span_id, parent, kind, second, **more):
        started_at = otlp.EPOCH.replace(second=second)
        return NormalSpan("t", span_id, parent, span_id, started_at, 1, kind=kind, **more)

    def run(*later):
        silent = step("silent", "turn1", "tool", 3, status="waiting", escalation_reason="approval_required")
        spans = [step("agent", None, "agent", 1), step("turn1", "agent", "step", 2), silent, *later]
        continue_silent_tools(spans)
        return silent.status, silent.escalation_reason

    assert run() == ("waiting", "approval_required")
    assert run(step("other", "turn1", "tool", 4)) == ("waiting", "approval_required")
    assert run(step("turn2", "agent", "step", 4)) == ("ok", None)


def test_names_made_up_by_clients_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(tables, "PLANS_KEPT", 50)
    monkeypatch.setattr(tables, "LONGEST_KEPT", 1_000)
    monkeypatch.setattr(tables, "_plans", {})
    for number in range(200):
        read({f"made.up.{number}": "x"})
        assert len(tables._plans) <= 50
    kept = len(tables._plans)
    read({"n" * 1_001: "x"})
    assert len(tables._plans) == kept
    assert read({"gen_ai.agent.name": "still-known"}).agent == "still-known"

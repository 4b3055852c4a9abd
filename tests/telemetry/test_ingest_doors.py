"""The doors of telemetry over HTTP: encodings, sizes, errors in each protocol's own words."""

import base64
import gzip
import json
import time

import pytest
from django.test import Client
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from apps.core.tenancy import scope
from apps.telemetry.models import Outcome, Span

TRACE = "5b8efff798038103d269b633813fc60c"


def otlp_json(*spans, **extra) -> dict:
    now = time.time_ns()
    made = [
        {
            "traceId": TRACE,
            "spanId": f"{number + 1:016x}",
            "name": "chat gpt-4o",
            "startTimeUnixNano": str(now - 10**9),
            "endTimeUnixNano": now,
            "attributes": [
                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}},
                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            ],
            **span,
        }
        for number, span in enumerate(spans)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "support"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": made}], **extra}]}


def post(world, body, path="/v1/traces", content_type="application/json", **headers):
    if isinstance(body, dict | list):
        body = json.dumps(body)
    return world.api().post(path, body, content_type=content_type, headers=headers)


def stored(world, organization="acme") -> int:
    with scope(getattr(world, organization).id):
        return Span.objects.count()


def test_json_answers_json_and_protobuf_answers_protobuf(committed_world):
    world = committed_world
    answer = post(world, otlp_json({}))
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "application/json", b"{}")
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE), (9).to_bytes(8)
    span.start_time_unix_nano = time.time_ns()
    answer = post(world, request.SerializeToString(), content_type="application/x-protobuf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-protobuf")
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    assert stored(world) == 2
    assert stored(world, "globex") == 0


def test_one_bad_span_rejects_itself_and_not_its_batch(committed_world):
    answer = post(committed_world, otlp_json({}, {"traceId": "xyz"}, {"startTimeUnixNano": "soon"}, {}))
    partial = answer.json()["partialSuccess"]
    assert answer.status_code == 200
    assert partial["rejectedSpans"] == "2"
    assert "span 1: traceId must be 32 hexadecimal digits" in partial["errorMessage"]
    assert stored(committed_world) == 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies_are_unpacked(committed_world, encoding):
    import zlib

    body = json.dumps(otlp_json({})).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    assert post(committed_world, packed, **{"Content-Encoding": encoding}).status_code == 200
    assert stored(committed_world) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{not json", {}, 400),
        (b"{}", {"Content-Encoding": "br"}, 400),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400),
        (b"[]", {}, 400),
    ],
)
def test_unreadable_bodies_are_400_with_an_rpc_status(committed_world, body, headers, status):
    answer = post(committed_world, body, **headers)
    assert answer.status_code == status
    assert answer.json()["code"] == 3
    assert answer.json()["message"]
    broken = post(committed_world, b"\xff\xff\xff", content_type="application/x-protobuf")
    assert broken.status_code == 400
    assert Status.FromString(broken.content).code == 3
    assert stored(committed_world) == 0


def test_a_body_over_the_limit_is_413_also_as_a_bomb(committed_world, settings):
    settings.TELEMETRY = {**settings.TELEMETRY, "max_body_bytes": 2000}
    assert post(committed_world, otlp_json(*[{}] * 20)).status_code == 413
    bomb = gzip.compress(b" " * 10_000_000)[:1500]
    assert post(committed_world, bomb, **{"Content-Encoding": "gzip"}).status_code == 413


def test_too_many_spans_are_413(committed_world, settings):
    settings.TELEMETRY = {**settings.TELEMETRY, "max_batch_spans": 2}
    assert post(committed_world, otlp_json({}, {}, {})).status_code == 413
    assert stored(committed_world) == 0


def test_keys_come_in_every_usual_way(committed_world):
    key = committed_world.keys["acme"]
    for headers in (
        {"Authorization": f"Bearer {key}"},
        {"Authorization": key},
        {"x-api-key": key},
        {"Authorization": "Basic " + base64.b64encode(f"{key}:secret".encode()).decode()},
        {"Authorization": "Basic " + base64.b64encode(f"user:{key}".encode()).decode()},
    ):
        answer = Client().post("/v1/traces", "{}", content_type="application/json", headers=headers)
        assert answer.status_code == 200, headers
    for headers in ({}, {"Authorization": "Bearer ao_nope"}, {"Authorization": "Basic %%%"}):
        answer = Client().post("/v1/traces", "{}", content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, 16)


def test_metrics_and_logs_say_that_they_are_not_kept(committed_world):
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "sum": {"dataPoints": [{}, {}]}}]}]}]}
    answer = post(committed_world, body, path="/v1/metrics")
    assert answer.json()["partialSuccess"]["rejectedDataPoints"] == "2"
    assert post(committed_world, {}, path="/v1/logs").json() == {}


EVENT = {
    "timestamp": "2026-01-15T10:30:00.000Z",
    "trace_id": "trace_abc123",
    "span_id": "span_def456",
    "agent_id": "customer-support-v2",
    "task_id": "task_xyz789",
    "event_type": "tool_call",
    "tool_name": "search_knowledge_base",
    "input": {"query": "refund policy"},
    "output": {"results": []},
    "duration_ms": 234,
    "tokens_used": {"input": 150, "output": 50},
    "cost_usd": 0.002,
}


def test_events_come_as_object_array_and_lines(committed_world):
    world = committed_world
    lines = "\n".join(json.dumps({**EVENT, "span_id": f"line{number}"}) for number in range(3))
    assert post(world, EVENT, "/api/v1/events").json() == {"accepted": 1, "rejected": []}
    assert post(world, [EVENT, {**EVENT, "span_id": "b"}], "/api/v1/events").json()["accepted"] == 2
    assert post(world, lines, "/api/v1/events", "application/x-ndjson").json()["accepted"] == 3
    assert post(world, json.dumps(EVENT, indent=2), "/api/v1/events").json()["accepted"] == 1
    assert stored(world) == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timestamp": "2026-01-15T10:30:00"}, "needs a zone"),
        ({"timestamp": None}, "timestamp"),
        ({"agent_id": None}, "agent_id is missing"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"tokens_used": {"input": "many"}}, "tokens_used.input"),
        ({"cost_usd": "free"}, "cost_usd"),
        ({"status": "fine"}, "status"),
        ({"escalation_reason": "bored"}, "escalation_reason"),
        ({"span_id": "x" * 200}, "span_id"),
    ],
)
def test_a_wrong_event_is_refused_with_its_field(committed_world, change, words):
    answer = post(committed_world, [{**EVENT, **change}], "/api/v1/events")
    assert answer.status_code == 422
    assert words in answer.json()["rejected"][0]["message"]
    assert stored(committed_world) == 0


def test_a_langfuse_score_is_an_outcome_of_its_trace(committed_world):
    world = committed_world
    body = {"id": "1", "traceId": TRACE, "name": "success", "value": 1.0, "dataType": "BOOLEAN"}
    assert post(world, [body], "/api/public/scores").status_code == 200
    batch = {"batch": [{"id": "e1", "type": "score-create", "body": {**body, "name": "user-feedback", "value": 0}}]}
    assert post(world, batch, "/api/public/ingestion").status_code == 207
    with scope(world.acme.id):
        first, second = Outcome.objects.order_by("recorded_at")
        assert (first.trace_id, first.evaluated_success) == (TRACE, True)
        assert second.user_success is False


def test_the_token_exchange_hands_back_only_known_keys(committed_world):
    key = committed_world.keys["acme"]
    client = Client()
    good = client.post("/v3/auth/token", json.dumps({"api_key": key}), content_type="application/json")
    assert good.json()["token"] == key
    for body in ('{"api_key": "11111111-2222-3333-4444-555555555555"}', "{}", "nonsense", "[]"):
        assert client.post("/v3/auth/token", body, content_type="application/json").status_code in (400, 401)

"""OTLP's answers, read back with the protocol's own messages."""

import json

import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.telemetry.normal import Rejection, WireError
from apps.telemetry.wire import answers
from tests.telemetry.captured import bodies

RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
}


@pytest.mark.parametrize("signal", RESPONSES)
def test_a_full_success_leaves_partial_success_unset(signal):
    assert answers.success(signal, json=True) == b"{}"
    response = RESPONSES[signal][0].FromString(answers.success(signal, json=False))
    assert not response.HasField("partial_success")


@pytest.mark.parametrize("signal", RESPONSES)
def test_a_partial_success_counts_and_explains_in_both_encodings(signal):
    message_class, proto_field, json_field = RESPONSES[signal]
    in_json = json.loads(answers.success(signal, json=True, rejected_count=3, message="why"))
    assert in_json == {"partialSuccess": {json_field: "3", "errorMessage": "why"}}
    partial = message_class.FromString(
        answers.success(signal, json=False, rejected_count=3, message="why")
    ).partial_success
    assert (getattr(partial, proto_field), partial.error_message) == (3, "why")


@pytest.mark.parametrize("length", [0, 1, 63, 64, 127, 128, 16_383, 16_384])
@pytest.mark.parametrize(("status", "code"), [(400, 3), (401, 16), (403, 7), (413, 8), (429, 8), (503, 14), (500, 13)])
def test_an_error_is_a_google_status_in_both_encodings(status, code, length):
    message = "é" * length
    read = status_pb2.Status.FromString(answers.failure(status, message, json=False))
    assert (read.code, read.message) == (code, message)
    assert json.loads(answers.failure(status, message, json=True)) == {"code": code, "message": message}


@pytest.mark.parametrize(
    ("client", "signal", "counts"),
    [
        ("otel_sdk", "metrics", [3]),
        ("otel_sdk", "logs", [1]),
        ("otel_sdk_gzip", "metrics", [3]),
        ("traceloop", "metrics", [8, 8]),
        ("pydantic_ai", "metrics", [4]),
    ],
)
def test_what_clients_send_and_nobody_keeps_is_counted(client, signal, counts):
    sent = bodies(client, f"/v1/{signal}")
    assert [answers.count_unkept(signal, body, json=False) for body in sent] == counts


def test_unkept_points_and_records_are_counted_in_json():
    points = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x", "sum": {"dataPoints": [{}, {}]}}]}]}]}
    records = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}, {}]}, {"logRecords": None}]}]}
    assert answers.count_unkept("metrics", json.dumps(points).encode(), json=True) == 2
    assert answers.count_unkept("logs", json.dumps(records).encode(), json=True) == 3
    for nothing in (b"", b"{}", b'{"resourceMetrics": null, "resourceLogs": [{"scopeLogs": null}]}'):
        assert answers.count_unkept("metrics", nothing, json=True) == 0


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"resourceLogs": 3}', b"\xff", b'{"resourceMetrics": [[]]}'])
@pytest.mark.parametrize("json_", [True, False])
@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_another_body_is_refused(signal, json_, body):
    with pytest.raises(WireError, match=f"not an OTLP {signal} request"):
        answers.count_unkept(signal, body, json=json_)


def test_rejections_are_told_by_index_and_only_the_first_few():
    rejected = [Rejection(index, "late") for index in range(7)]
    assert answers.rejection_message(rejected[:1]) == "span 0: late"
    assert answers.rejection_message(rejected).endswith("span 4: late; and 2 more")

"""OTLP/HTTP answers in the encoding of the request: success, partial success, google.rpc.Status errors."""

from typing import Any

import msgspec
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.telemetry.normal import Rejection, WireError

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

# google.rpc.Code by HTTP status.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 429: 8, 503: 14}
_RESPONSES: dict[str, tuple[type[Message], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
}


def is_json(content_type: str) -> bool:
    """Tell whether a request's content type is OTLP/JSON (anything else is read as protobuf)."""
    return content_type.partition(";")[0].strip().lower() == JSON


def success(signal: str, *, json: bool, rejected_count: int = 0, message: str = "") -> bytes:
    """Return the body of a 200; partialSuccess is set only where something was not kept."""
    response_class, proto_field, json_field = _RESPONSES[signal]
    if json:
        if not rejected_count and not message:
            return b"{}"
        partial = {json_field: str(rejected_count), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial})
    response = response_class()
    if rejected_count or message:
        partial_success = response.partial_success
        setattr(partial_success, proto_field, rejected_count)
        partial_success.error_message = message
    return response.SerializeToString()


def failure(status: int, message: str, *, json: bool) -> bytes:
    """Return a google.rpc.Status: code and message (fields 1 and 2)."""
    code = _CODES.get(status, 13)
    if json:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return bytes([8, code, 18]) + _varint(len(text)) + text


def rejection_message(rejected: list[Rejection]) -> str:
    """Return one sentence on why spans were refused: the first reasons, by index."""
    first = "; ".join(f"span {rejection.index}: {rejection.reason}" for rejection in rejected[:5])
    return first if len(rejected) <= 5 else f"{first}; and {len(rejected) - 5} more"


def count_unkept(signal: str, body: bytes, *, json: bool) -> int:
    """Return how many data points or log records a request holds; raises WireError for another body."""
    try:
        if json:
            return _count_json(body)
        if signal == "metrics":
            metrics = ExportMetricsServiceRequest.FromString(body)
            return sum(
                len(getattr(metric, metric.WhichOneof("data")).data_points)
                for resource in metrics.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.WhichOneof("data")
            )
        logs = ExportLogsServiceRequest.FromString(body)
        return sum(len(scope.log_records) for resource in logs.resource_logs for scope in resource.scope_logs)
    except (DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not an OTLP {signal} request: {error}") from error


class _Scope(msgspec.Struct, rename="camel"):
    metrics: list[dict[str, Any]] | None = None
    log_records: list[msgspec.Raw] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    scope_metrics: list[_Scope] | None = None
    scope_logs: list[_Scope] | None = None


class _Request(msgspec.Struct, rename="camel"):
    resource_metrics: list[_Resource] | None = None
    resource_logs: list[_Resource] | None = None


_request = msgspec.json.Decoder(_Request).decode


def _count_json(body: bytes) -> int:
    request = _request(body) if body.strip() else _Request()
    count = 0
    for resource in (*(request.resource_metrics or ()), *(request.resource_logs or ())):
        for scope in (*(resource.scope_metrics or ()), *(resource.scope_logs or ())):
            count += len(scope.log_records or ())
            for metric in scope.metrics or ():
                # gauge, sum, histogram …: whichever it is, its points have one name.
                data = [value.get("dataPoints") for value in metric.values() if isinstance(value, dict)]
                count += sum(len(points) for points in data if isinstance(points, list))
    return count


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)

"""OTLP/HTTP trace requests, protobuf and JSON (opentelemetry-proto 1.x).

Both decode into the same calls of `dialects.normalize`, so a client's encoding never changes what is stored. A span
that cannot be kept is rejected with its index; the rest of the batch stays.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from apps.telemetry.dialects import Resource, cut, normalize
from apps.telemetry.normal import Limits, NormalSpan, Rejection, TooManySpans, WireError
from apps.telemetry.rules.waits import continue_silent_tools
from apps.telemetry.wire import Decoded, lazy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_NANOSECONDS = 253_402_300_799 * 10**9
_ZEROS = {8: bytes(8), 16: bytes(16)}
_STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


class _AnyValue(msgspec.Struct, gc=False):
    stringValue: str | None = None
    intValue: int | str | None = None
    doubleValue: float | str | None = None
    boolValue: bool | None = None
    arrayValue: dict | None = None
    kvlistValue: dict | None = None
    bytesValue: str | None = None


class _KeyValue(msgspec.Struct, gc=False):
    key: str = ""
    value: _AnyValue | None = None


class _Event(msgspec.Struct, gc=False):
    timeUnixNano: int | str | None = 0
    name: str | None = ""
    attributes: list[_KeyValue] | None = None


class _Status(msgspec.Struct, gc=False):
    message: str | None = ""
    code: int | str | None = 0


class _Link(msgspec.Struct, gc=False):
    traceId: str | None = None
    spanId: str | None = None


class _Span(msgspec.Struct, gc=False):
    traceId: str | None = ""
    spanId: str | None = ""
    parentSpanId: str | None = ""
    name: str | None = ""
    startTimeUnixNano: int | str | None = 0
    endTimeUnixNano: int | str | None = 0
    attributes: list[_KeyValue] | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None


class _Scope(msgspec.Struct, gc=False):
    name: str | None = ""


class _ScopeSpans(msgspec.Struct, gc=False):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None


class _ResourceAttributes(msgspec.Struct, gc=False):
    attributes: list[_KeyValue] | None = None


class _ResourceSpans(msgspec.Struct, gc=False):
    resource: _ResourceAttributes | None = None
    scopeSpans: list[_ScopeSpans] | None = None
    instrumentationLibrarySpans: list[_ScopeSpans] | None = None


class _Request(msgspec.Struct, gc=False):
    resourceSpans: list[_ResourceSpans] | None = None


_request_decoder = msgspec.json.Decoder(_Request)
_span_decoder = msgspec.json.Decoder(_Span)


def decode_json(body: bytes, limits: Limits) -> Decoded:
    """Return the spans of an OTLP/JSON body; raises WireError if it is no such body."""
    decoded = Decoded()
    if not body.strip():
        return decoded
    try:
        request = _request_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not an OTLP/JSON trace request: {error}") from error
    index = -1
    for resource_spans in request.resourceSpans or ():
        resource = Resource(
            _json_attributes(resource_spans.resource.attributes if resource_spans.resource else None), limits
        )
        for scope_spans in resource_spans.scopeSpans or resource_spans.instrumentationLibrarySpans or ():
            scope = (scope_spans.scope.name or "") if scope_spans.scope else ""
            for raw in scope_spans.spans or ():
                index += 1
                _check_size(index, limits)
                try:
                    span = _span_decoder.decode(raw)
                    status = span.status
                    start, end = int(span.startTimeUnixNano or 0), int(span.endTimeUnixNano or 0)
                    code = (status.code or 0) if status else 0
                    attributes = _json_attributes(span.attributes)
                    if span.links:
                        attributes["otel.links"] = [
                            {"trace_id": link.traceId, "span_id": link.spanId} for link in span.links
                        ]
                    decoded.spans.append(
                        normalize(
                            trace_id=_hex(span.traceId or "", 32, "traceId"),
                            span_id=_hex(span.spanId or "", 16, "spanId"),
                            parent_span_id=_parent(span.parentSpanId),
                            name=span.name or "",
                            started_at=_moment(start),
                            duration_us=_duration(start, end),
                            status_code=_STATUS_CODES.get(code, 0) if isinstance(code, str) else code,
                            status_message=status.message if status else None,
                            attributes=attributes,
                            events=[
                                _event(
                                    int(event.timeUnixNano or 0),
                                    event.name or "",
                                    _json_attributes(event.attributes),
                                    limits,
                                )
                                for event in span.events
                            ]
                            if span.events
                            else None,
                            resource=resource,
                            scope=scope,
                            limits=limits,
                        )
                    )
                except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
                    decoded.rejected.append(Rejection(index, str(error)))
    continue_silent_tools(decoded.spans)
    return decoded


def decode_protobuf(body: bytes, limits: Limits) -> Decoded:
    """Return the spans of an OTLP/protobuf body; raises WireError if it is no such body."""
    decoded = Decoded()
    try:
        request = lazy.Request.FromString(body)
    except (DecodeError, RecursionError) as error:
        raise WireError(f"not an OTLP/protobuf trace request: {error}") from error
    pairs = lazy.Pairs()
    index = -1
    for resource_spans in request.resource_spans:
        resource = Resource(
            {pair.key: lazy.value_of(pair.value) for pair in resource_spans.resource.attributes}, limits
        )
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            for raw in scope_spans.spans:
                index += 1
                _check_size(index, limits)
                try:
                    decoded.spans.append(_protobuf_span(raw, pairs, resource, scope, limits))
                except (DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
                    decoded.rejected.append(Rejection(index, str(error)))
    continue_silent_tools(decoded.spans)
    return decoded


def _protobuf_span(raw: bytes, pairs: lazy.Pairs, resource: Resource, scope: str, limits: Limits) -> NormalSpan:
    span = lazy.Span.FromString(raw)
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    parent = span.parent_span_id
    status = lazy.Status.FromString(span.status) if span.status else None
    attributes = pairs.read(span.attributes)
    if span.links:
        links = [lazy.Link.FromString(link) for link in span.links]
        attributes["otel.links"] = [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in links]
    events = [lazy.Event.FromString(event) for event in span.events] if span.events else ()
    return normalize(
        trace_id=_identifier(span.trace_id, 16, "trace_id"),
        span_id=_identifier(span.span_id, 8, "span_id"),
        parent_span_id=parent.hex() if parent and any(parent) else None,
        name=span.name.decode(),
        started_at=_moment(start),
        duration_us=_duration(start, end),
        status_code=status.code if status else 0,
        status_message=status.message or None if status else None,
        attributes=attributes,
        events=[
            _event(
                event.time_unix_nano,
                event.name,
                {pair.key: lazy.value_of(pair.value) for pair in event.attributes},
                limits,
            )
            for event in events
        ]
        or None,
        resource=resource,
        scope=scope,
        limits=limits,
    )


def _check_size(index: int, limits: Limits) -> None:
    if index >= limits.batch_spans:
        raise TooManySpans(f"more than {limits.batch_spans} spans in one request")


def _json_attributes(pairs: list[_KeyValue] | None) -> dict[str, Any]:
    if not pairs:
        return {}
    return {pair.key: _json_value(pair.value) for pair in pairs}


def _json_value(value: _AnyValue | None) -> Any:
    if value is None:
        return None
    if value.stringValue is not None:
        return value.stringValue
    if value.intValue is not None:
        return int(value.intValue)
    if value.boolValue is not None:
        return value.boolValue
    if value.doubleValue is not None:
        return float(value.doubleValue)
    if value.arrayValue is not None:
        items = msgspec.convert(value.arrayValue.get("values") or [], list[_AnyValue])
        return [_json_value(item) for item in items]
    if value.kvlistValue is not None:
        return _json_attributes(msgspec.convert(value.kvlistValue.get("values") or [], list[_KeyValue]))
    return value.bytesValue


def _identifier(value: bytes, length: int, name: str) -> str:
    if len(value) != length or value == _ZEROS[length]:
        raise ValueError(f"{name} must be {length} bytes, not all zero")
    return value.hex()


def _hex(value: str, length: int, name: str) -> str:
    try:
        return _identifier(bytes.fromhex(value), length // 2, name)
    except ValueError:
        raise ValueError(f"{name} must be {length} hexadecimal digits, not all zero") from None


def _parent(value: str | None) -> str | None:
    return _hex(value, 16, "parentSpanId") if value and value.strip("0") else None


@lru_cache(maxsize=1024)
def _second(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _moment(nanoseconds: int) -> datetime:
    if not 0 < nanoseconds < LATEST_NANOSECONDS:
        raise ValueError("start_time_unix_nano is missing or no time")
    # Spans of a batch share their seconds; adding a timedelta to a date is the slow part.
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return _second(seconds).replace(microsecond=rest // 1000)


def _duration(start: int, end: int) -> int | None:
    if not end:
        return None
    if end < start:
        raise ValueError("end_time_unix_nano is before start_time_unix_nano")
    return (end - start) // 1000


def _event(nanoseconds: int, name: str, attributes: dict[str, Any], limits: Limits) -> dict[str, Any]:
    at = EPOCH + timedelta(microseconds=max(0, min(nanoseconds, LATEST_NANOSECONDS)) // 1000)
    for key, value in attributes.items():
        if type(value) is str and len(value) > limits.attribute_chars:
            attributes[key] = cut(value, limits.attribute_chars)
    return {"name": name, "at": at.isoformat(), "attributes": attributes}

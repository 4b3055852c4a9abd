"""OTLP's messages with the parts of a span left as bytes.

Attributes of a batch repeat: the same bytes mean the same name and value, so each distinct one is read once per
request, which halves the cost of walking a batch. And where a text is not UTF-8, only its own span fails.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_PACKAGE = "agentops.lazy"
_FILE = "agentops/lazy.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_ONE = _Field.LABEL_OPTIONAL
_MANY = _Field.LABEL_REPEATED
_BYTES = _Field.TYPE_BYTES

# Field numbers are OTLP's (opentelemetry/proto/trace/v1/trace.proto).
_SPAN: tuple[tuple[str, int, Any, Any], ...] = (
    ("trace_id", 1, _BYTES, _ONE),
    ("span_id", 2, _BYTES, _ONE),
    ("parent_span_id", 4, _BYTES, _ONE),
    ("name", 5, _BYTES, _ONE),
    ("start_time_unix_nano", 7, _Field.TYPE_FIXED64, _ONE),
    ("end_time_unix_nano", 8, _Field.TYPE_FIXED64, _ONE),
    ("attributes", 9, _BYTES, _MANY),
    ("events", 11, _BYTES, _MANY),
    ("links", 13, _BYTES, _MANY),
    ("status", 15, _BYTES, _ONE),
)

KeyValue = common_pb2.KeyValue
Event = trace_pb2.Span.Event
Link = trace_pb2.Span.Link
Status = trace_pb2.Status


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
    file.dependency.extend([common_pb2.DESCRIPTOR.name, resource_pb2.DESCRIPTOR.name])

    def message(name: str, *fields: tuple[str, int, Any, Any, str]) -> None:
        described = file.message_type.add(name=name)
        for field, number, kind, label, of in fields:
            described.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)

    inner = _Field.TYPE_MESSAGE
    message("Span", *((*field, "") for field in _SPAN))
    message(
        "ScopeSpans",
        ("scope", 1, inner, _ONE, ".opentelemetry.proto.common.v1.InstrumentationScope"),
        ("spans", 2, _BYTES, _MANY, ""),
    )
    message(
        "ResourceSpans",
        ("resource", 1, inner, _ONE, ".opentelemetry.proto.resource.v1.Resource"),
        ("scope_spans", 2, inner, _MANY, f".{_PACKAGE}.ScopeSpans"),
    )
    message("Request", ("resource_spans", 1, inner, _MANY, f".{_PACKAGE}.ResourceSpans"))
    return file


_pool = descriptor_pool.Default()
_pool.Add(_described())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Request = _class("Request")
Span = _class("Span")


class Pairs:
    """Reads attributes of one request, each distinct one once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, Any]] = {}

    def read(self, encoded: Any) -> dict[str, Any]:
        """Return a span's attributes; raises DecodeError or UnicodeDecodeError for one that is broken."""
        known = self._known
        attributes = {}
        for raw in encoded:
            pair = known.get(raw)
            if pair is None:
                pair = known[raw] = _short_pair(raw) or _pair(raw)
            attributes[pair[0]] = pair[1]
        return attributes


def _short_pair(raw: bytes) -> tuple[str, Any] | None:
    """Read a short text or small number straight from its bytes: the usual case. None for any other shape.

    The shape is exactly: field 1 (the name), field 2 (the value), in it field 1 (text) or 3 (number), and no more;
    every length under 128, so one byte each.
    """
    size = len(raw)
    if size < 7 or raw[0] != 0x0A or raw[1] > 0x7F:
        return None
    at = 2 + raw[1]
    if at + 4 > size or raw[at] != 0x12 or raw[at + 1] != size - at - 2 or raw[at + 1] > 0x7F:
        return None
    if raw[at + 2] == 0x0A:
        return (raw[2:at].decode(), raw[at + 4 :].decode()) if raw[at + 3] == size - at - 4 else None
    if raw[at + 2] == 0x18 and size - at < 8 and raw[-1] < 0x80:
        number = shift = 0
        for byte in raw[at + 3 : -1]:
            if byte < 0x80:
                return None
            number |= (byte & 0x7F) << shift
            shift += 7
        return raw[2:at].decode(), number | raw[-1] << shift
    return None


def _pair(raw: bytes) -> tuple[str, Any]:
    pair = KeyValue.FromString(raw)
    return pair.key, value_of(pair.value)


def value_of(value: Any) -> Any:
    """Return what an AnyValue holds."""
    which = value.WhichOneof("value")
    if which == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    if which == "bytes_value":
        return value.bytes_value.hex()
    if which in ("string_value", "int_value", "bool_value", "double_value"):
        return getattr(value, which)
    return None


__all__ = ["DecodeError", "Event", "Link", "Pairs", "Request", "Span", "Status", "value_of"]

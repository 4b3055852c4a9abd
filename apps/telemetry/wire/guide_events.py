"""The product's own event format: one JSON object a step, an array of them, or one a line (NDJSON).

    {"timestamp", "trace_id", "span_id", "agent_id", "task_id", "event_type", "tool_name", "input", "output",
     "duration_ms", "tokens_used": {"input", "output"}, "cost_usd"}

and, optionally, usage (the provider's own object, read where tokens_used is absent), parent_span_id, name, model,
provider, status, error {type, message, category}, version, environment, conversation_id, initiated_by (or user),
task_type, escalation_reason, success, attributes. `timestamp` is when the step began.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from apps.telemetry.dialects import bounded, cut
from apps.telemetry.dialects.values import as_decimal, as_text, as_tokens
from apps.telemetry.normal import Limits, NormalSpan, Rejection, TooManySpans, WireError
from apps.telemetry.prices.table import SPECIAL_ATTRIBUTE
from apps.telemetry.prices.usage import Tokens, tokens_from_usage
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS, error_category, is_handover
from apps.telemetry.wire import Decoded

KINDS = {
    "tool_call": "tool",
    "tool": "tool",
    "llm_call": "model",
    "model_call": "model",
    "llm": "model",
    "embedding": "embedding",
    "retrieval": "retrieval",
    "guardrail": "guardrail",
    "evaluation": "evaluation",
    "task": "agent",
    "task_start": "agent",
    "task_end": "agent",
    "task_completed": "agent",
    "task_failed": "agent",
    "agent": "agent",
    "agent_run": "agent",
    "human_review": "human",
    "human_wait": "human",
    "approval_requested": "human",
    "escalation": "human",
    "queue": "queue",
    "reasoning": "step",
}
WAITING = frozenset({"approval_requested"})
STATUSES = {"ok": "ok", "success": "ok", "error": "error", "failed": "error", "failure": "error", "waiting": "waiting"}
# Names in tokens_used → fields of a span.
_OWN_COUNTS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
LONGEST_ID = 128
_encoder = msgspec.json.Encoder(order="deterministic")


class _Failure(msgspec.Struct, gc=False):
    type: str | None = None
    message: str | None = None
    category: str | None = None


class _Event(msgspec.Struct, gc=False):
    timestamp: datetime
    agent_id: str | None = None
    agent: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    task_id: str | None = None
    event_type: str = "step"
    name: str | None = None
    tool_name: str | None = None
    input: Any = None
    output: Any = None
    duration_ms: float | None = None
    tokens_used: dict[str, Any] | None = None
    usage: Any = None
    cost_usd: float | str | None = None
    model: str | None = None
    provider: str | None = None
    status: str | None = None
    success: bool | None = None
    error: _Failure | str | None = None
    version: str | None = None
    environment: str | None = None
    conversation_id: str | None = None
    initiated_by: str | None = None
    user: str | None = None
    task_type: str | None = None
    escalation_reason: str | None = None
    attributes: dict[str, Any] | None = None


_KNOWN = frozenset(_Event.__struct_fields__)
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_event_decoder = msgspec.json.Decoder(_Event)
_object_decoder = msgspec.json.Decoder(dict[str, Any])


def decode(body: bytes, limits: Limits) -> Decoded:
    """Return the steps of a body; raises WireError if it is neither an object, an array nor NDJSON."""
    decoded = Decoded()
    for index, raw in enumerate(_split(body)):
        if index >= limits.batch_spans:
            raise TooManySpans(f"more than {limits.batch_spans} events in one request")
        try:
            decoded.spans.append(_normalize(raw, limits))
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
            decoded.rejected.append(Rejection(index, str(error)))
    return decoded


def decode_object(body: bytes) -> dict[str, Any]:
    """Return a single JSON object; raises WireError for anything else."""
    try:
        return _object_decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError(f"not a JSON object: {error}") from error


def _split(body: bytes) -> list[Any]:
    text = body.strip()
    if not text:
        raise WireError("the body is empty: send an event, an array of events, or one event a line")
    try:
        if text[:1] == b"[":
            return _array_decoder.decode(text)
        if b"\n" not in text:
            return [text]
        # Several lines: one pretty-printed object, or an event a line.
        try:
            _object_decoder.decode(text)
        except msgspec.DecodeError:
            return [line for line in text.split(b"\n") if line.strip()]
        return [text]
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from error


def _normalize(raw: Any, limits: Limits) -> NormalSpan:
    event = _event_decoder.decode(raw)
    if event.timestamp.tzinfo is None:
        raise ValueError("timestamp needs a zone, for example 2026-01-15T10:30:00Z")
    agent = event.agent_id or event.agent
    if not agent:
        raise ValueError("agent_id is missing")
    for field in ("trace_id", "span_id", "parent_span_id", "task_id"):
        value = getattr(event, field)
        if value is not None and not 0 < len(value) <= LONGEST_ID:
            raise ValueError(f"{field} has {len(value)} characters: write 1 to {LONGEST_ID}")
    if event.duration_ms is not None and not 0 <= event.duration_ms < 10**10:
        raise ValueError("duration_ms must be 0 or more")
    # Without an id the content is the id, so that sending the same event twice still changes nothing.
    span_id = event.span_id or hashlib.sha256(bytes(raw)).hexdigest()[:16]
    kind = KINDS.get(event.event_type) or ("tool" if event.tool_name else "model" if event.model else "step")
    started_at = event.timestamp.astimezone(UTC)
    span = NormalSpan(
        event.trace_id or event.task_id or span_id,
        span_id,
        event.parent_span_id,
        (event.name or event.tool_name or event.event_type)[: limits.name_chars],
        started_at,
        None if event.duration_ms is None else round(event.duration_ms * 1000),
        kind=kind,
        agent=agent[:500],
        agent_version=event.version,
        environment=event.environment,
        task_id=event.task_id,
        task_type=event.task_type,
        conversation_id=event.conversation_id,
        user_id=event.initiated_by or event.user,
        provider=event.provider,
        model=event.model,
        tool=event.tool_name,
        reported_cost_usd=as_decimal(event.cost_usd),
        input=cut(as_text(event.input), limits.content_chars),
        output=cut(as_text(event.output), limits.content_chars),
    )
    if event.cost_usd is not None and span.reported_cost_usd is None:
        raise ValueError(f"cost_usd is {event.cost_usd!r}: write an amount, for example 0.002")
    read = _settle_tokens(span, event)
    _settle_status(span, event)
    fields = _object_decoder.decode(raw)
    rest = {key: value for key, value in fields.items() if key not in _KNOWN}
    if event.usage is not None and read is None:
        rest["usage"] = event.usage
    elif read is not None and read.special:
        rest[SPECIAL_ATTRIBUTE] = read.special
    span.attributes = bounded({"event_type": event.event_type, **rest, **(event.attributes or {})}, limits)
    return span


def _settle_tokens(span: NormalSpan, event: _Event) -> Tokens | None:
    """Take the format's own counts, or read the provider's usage object; return what was read from the latter."""
    tokens = event.tokens_used
    if tokens is None or not _OWN_COUNTS.keys() & tokens.keys():
        read = tokens_from_usage(tokens or event.usage, event.provider)
        if read is not None:
            span.input_tokens, span.output_tokens = read.input, read.output
            span.cache_read_tokens, span.cache_write_tokens = read.cache_read, read.cache_write
            span.reasoning_tokens = read.reasoning
            if span.reported_cost_usd is None:
                span.reported_cost_usd = read.reported_cost_usd
        return read
    for key, field in _OWN_COUNTS.items():
        if key in tokens:
            count = as_tokens(tokens[key])
            if count is None:
                raise ValueError(f"tokens_used.{key} is {tokens[key]!r}: write a whole number")
            setattr(span, field, count)
    return None


def _settle_status(span: NormalSpan, event: _Event) -> None:
    failure = _Failure(message=event.error) if isinstance(event.error, str) else event.error
    if event.status is not None:
        span.status = STATUSES.get(event.status.lower(), "")
        if not span.status:
            raise ValueError(f"status is {event.status!r}: use {', '.join(STATUSES)}")
    elif failure is not None or event.success is False or event.event_type == "task_failed":
        span.status = "error"
    elif event.event_type in WAITING:
        span.status = "waiting"
    elif span.duration_us is not None or event.event_type in ("task_end", "task_completed"):
        span.status = "ok"
    if failure is not None:
        span.error_type = failure.type
        span.status_message = cut(failure.message, 2000)
    if span.status == "error":
        stated = failure.category if failure else None
        if stated is not None and stated not in ERROR_CATEGORIES:
            raise ValueError(f"error.category is {stated!r}: use {', '.join(ERROR_CATEGORIES)}")
        span.error_category = stated or error_category(span.kind, span.error_type, span.status_message)
    if event.escalation_reason is not None and event.escalation_reason not in ESCALATION_REASONS:
        raise ValueError(f"escalation_reason is {event.escalation_reason!r}: use {', '.join(ESCALATION_REASONS)}")
    span.escalation_reason = event.escalation_reason or (
        "approval_required"
        if span.status == "waiting"
        else "unstated"
        if event.event_type == "escalation" or (span.tool and is_handover(span.tool))
        else None
    )

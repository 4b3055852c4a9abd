"""The OpenAI Agents SDK's own trace export: {"data": [{"object": "trace" | "trace.span", …}]}."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from apps.telemetry.dialects import bounded, cut
from apps.telemetry.dialects.metadata import read_metadata
from apps.telemetry.dialects.values import Found, as_text, as_tokens
from apps.telemetry.normal import Limits, NormalSpan, Rejection, TooManySpans, WireError
from apps.telemetry.rules.outcomes import error_category, is_handover
from apps.telemetry.rules.waits import continue_silent_tools
from apps.telemetry.wire import Decoded

KINDS = {
    "agent": "agent",
    "generation": "model",
    "response": "model",
    "function": "tool",
    "mcp_tools": "step",
    "guardrail": "guardrail",
    "handoff": "step",
    "custom": "step",
    "transcription": "model",
    "speech": "model",
}


class _Item(msgspec.Struct, gc=False):
    object: str
    id: str
    trace_id: str | None = None
    parent_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None
    span_data: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class _Body(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]


_body_decoder = msgspec.json.Decoder(_Body)
_item_decoder = msgspec.json.Decoder(_Item)


def decode(body: bytes, limits: Limits) -> Decoded:
    """Return the steps of an export; raises WireError if the body is no such export."""
    try:
        items = _body_decoder.decode(body).data
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError(f"not an agents trace export: {error}") from error
    if len(items) > limits.batch_spans:
        raise TooManySpans(f"more than {limits.batch_spans} items in one request")
    decoded = Decoded()
    traces: dict[str, _Item] = {}
    spans: list[tuple[int, _Item]] = []
    for index, raw in enumerate(items):
        try:
            item = _item_decoder.decode(raw)
        except msgspec.DecodeError as error:
            decoded.rejected.append(Rejection(index, str(error)))
            continue
        if item.object == "trace":
            traces[item.id] = item
        else:
            spans.append((index, item))
    agents = _agents_by_span([item for _, item in spans])
    for index, item in spans:
        try:
            decoded.spans.append(_normalize(item, traces.get(item.trace_id or ""), agents, limits))
        except (ValueError, OverflowError) as error:
            decoded.rejected.append(Rejection(index, str(error)))
    continue_silent_tools(decoded.spans)
    return decoded


def _agents_by_span(items: list[_Item]) -> dict[str, str]:
    """Return the agent that each step belongs to: the nearest above it in this export, else the first one below."""
    parents = {item.id: item.parent_id for item in items}
    named = {
        item.id: str(item.span_data.get("name"))
        for item in items
        if item.span_data and item.span_data.get("type") == "agent" and item.span_data.get("name")
    }
    found = {}
    for item in items:
        at: str | None = item.id
        steps = 0
        while at is not None and at not in named and steps < 100:
            at = parents.get(at)
            steps += 1
        if at in named:
            found[item.id] = named[at]
    for item in sorted(items, key=lambda item: item.started_at.timestamp() if item.started_at else 0.0):
        above = parents.get(item.id)
        steps = 0
        while item.id in named and above is not None and above not in found and steps < 100:
            found[above] = named[item.id]
            above = parents.get(above)
            steps += 1
    return found


def _name(data: dict[str, Any]) -> str:
    """Return a step's name: its own, that of the SDK's inner step, who took over, or at least its type."""
    if data.get("type") == "handoff":
        return f"handoff to {data.get('to_agent') or 'another agent'}"
    inner = data.get("data")
    own = inner.get("name") if isinstance(inner, dict) else None
    return str(own or data.get("name") or data.get("type") or "step")


def _normalize(item: _Item, trace: _Item | None, agents: dict[str, str], limits: Limits) -> NormalSpan:
    if not item.trace_id or item.started_at is None:
        raise ValueError("a span needs trace_id and started_at")
    data = item.span_data or {}
    kind = KINDS.get(str(data.get("type")), "step")
    started_at = item.started_at.astimezone(UTC)
    duration = None if item.ended_at is None else round((item.ended_at - item.started_at).total_seconds() * 1e6)
    if duration is not None and duration < 0:
        raise ValueError("ended_at is before started_at")
    span = NormalSpan(
        item.trace_id[:128],
        item.id[:128],
        item.parent_id,
        _name(data)[: limits.name_chars],
        started_at,
        duration,
        kind=kind,
        agent=agents.get(item.id) or (trace.workflow_name if trace else None),
        conversation_id=trace.group_id if trace else None,
        task_type=trace.workflow_name if trace else None,
        model=as_text(data.get("model")),
        provider="openai" if kind == "model" else None,
        tool=as_text(data.get("name")) if kind == "tool" else None,
        input=cut(as_text(data.get("input")), limits.content_chars),
        output=cut(as_text(data.get("output")), limits.content_chars),
    )
    said: Found = {}
    if trace and trace.metadata:
        read_metadata(said, trace.metadata)
    span.task_id, span.user_id = as_text(said.get("task_id")), as_text(said.get("user_id"))
    span.conversation_id = span.conversation_id or as_text(said.get("conversation_id"))
    span.environment, span.agent_version = as_text(said.get("environment")), as_text(said.get("agent_version"))
    inner = data.get("data")
    usage = data.get("usage") or (inner.get("usage") if isinstance(inner, dict) else None)
    if isinstance(usage, dict):
        span.input_tokens = as_tokens(usage.get("input_tokens"))
        span.output_tokens = as_tokens(usage.get("output_tokens"))
        span.cache_read_tokens = as_tokens(usage.get("cached_input_tokens")) or _detail(
            usage, "input_tokens_details", "cached_tokens"
        )
        span.cache_write_tokens = as_tokens(usage.get("cache_write_input_tokens")) or None
        span.reasoning_tokens = _detail(usage, "output_tokens_details", "reasoning_tokens")
        span.is_usage_summary = kind != "model"
    if item.error:
        span.status = "error"
        span.status_message = cut(as_text(item.error.get("message")), 2000)
        span.error_category = error_category(kind, None, span.status_message)
    elif kind == "tool" and data.get("output") is None and duration is not None:
        # The SDK ends a call that needs approval without a result; the approved call is a span of its own.
        span.status = "waiting"
        span.escalation_reason = "approval_required"
    elif duration is not None:
        span.status = "ok"
    if span.tool and span.escalation_reason is None and is_handover(span.tool):
        span.escalation_reason = "unstated"
    rest = {
        key: value for key, value in data.items() if key not in ("type", "name", "input", "output", "model", "usage")
    }
    span.attributes = bounded({**rest, **((trace.metadata or {}) if trace else {})}, limits)
    return span


def _detail(usage: dict[str, Any], of: str, name: str) -> int | None:
    details = usage.get(of)
    return as_tokens(details.get(name)) or None if isinstance(details, dict) else None

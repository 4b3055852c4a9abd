"""Rows of the span and payload tables in PostgreSQL's COPY text format, built by hand because this is the hot path."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from apps.telemetry.normal import NormalSpan
from apps.telemetry.prices.book import Book
from apps.telemetry.prices.usage import special_of
from apps.telemetry.rules.agents import UNKNOWN_AGENT, agent_slug

SPAN_COLUMNS = (
    "organization_id",
    "trace_id",
    "span_id",
    "started_at",
    "duration_us",
    "parent_span_id",
    "name",
    "kind",
    "status",
    "status_message",
    "error_type",
    "error_category",
    "agent",
    "agent_version",
    "environment",
    "task_id",
    "task_type",
    "conversation_id",
    "user_id",
    "provider",
    "model",
    "tool",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "price_state",
    "reported_cost_usd",
    "is_usage_summary",
    "escalation_reason",
    "attributes",
)
PAYLOAD_COLUMNS = ("organization_id", "trace_id", "span_id", "started_at", "input", "output", "events")
NULL = "\\N"

_encode = msgspec.json.Encoder(enc_hook=str).encode
_special = re.compile("[\\\\\t\n\r\0]").search
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""}
_replace_special = re.compile("[\\\\\t\n\r\0]").sub


def escaped(text: str) -> str:
    """Return a text as COPY wants it; NUL, which PostgreSQL cannot store, is left out."""
    if _special(text) is None:
        return text
    return _replace_special(lambda match: _ESCAPES[match[0]], text)


def _optional(text: str | None) -> str:
    return NULL if text is None else escaped(text)


def _number(value: int | Decimal | None) -> str:
    return NULL if value is None else str(value)


def _json(value: Any) -> str:
    text = _encode(value).decode()
    if "\\u0000" in text:
        text = _encode(_without_nul(value)).decode()
    return text.replace("\\", "\\\\") if "\\" in text else text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {key.replace("\0", ""): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value


def span_row(organization: str, span: NormalSpan, bound_agent: str | None, book: Book) -> str:
    """Return the line of one span, priced; `bound_agent` is the agent of the credential and wins over what was sent."""
    reported = span.reported_cost_usd
    priced = book.cost_of(
        span.provider,
        span.model,
        span.started_at,
        span.input_tokens,
        span.output_tokens,
        span.cache_read_tokens,
        span.cache_write_tokens,
        span.reasoning_tokens,
        # The provider's answer may name a snapshot that the table does not know: what was asked for has a price.
        request_model=span.request_model,
        special=special_of(span.attributes),
        reported=reported,
    )
    agent = bound_agent or (agent_slug(span.agent) if span.agent else UNKNOWN_AGENT)
    attributes = span.attributes
    if span.agent and span.agent != agent:
        attributes["agentops.sent_agent"] = span.agent
    if span.request_model and span.request_model != span.model:
        attributes["gen_ai.request.model"] = span.request_model
    return "\t".join(
        (
            organization,
            escaped(span.trace_id),
            escaped(span.span_id),
            span.started_at.isoformat(),
            _number(span.duration_us),
            _optional(span.parent_span_id),
            escaped(span.name),
            span.kind,
            span.status,
            _optional(span.status_message),
            _optional(span.error_type),
            span.error_category or NULL,
            agent,
            _optional(span.agent_version),
            _optional(span.environment),
            _optional(span.task_id),
            _optional(span.task_type),
            _optional(span.conversation_id),
            _optional(span.user_id),
            _optional(span.provider),
            _optional(span.model),
            _optional(span.tool),
            _number(span.input_tokens),
            _number(span.output_tokens),
            _number(span.cache_read_tokens),
            _number(span.cache_write_tokens),
            _number(span.reasoning_tokens),
            _number(priced.amount),
            priced.state,
            _number(reported),
            "t" if span.is_usage_summary else "f",
            _optional(span.escalation_reason),
            _json(attributes),
        )
    )


def payload_row(organization: str, span: NormalSpan) -> str | None:
    """Return the line of a span's contents and events, or None where it has neither."""
    if span.input is None and span.output is None and not span.events:
        return None
    return "\t".join(
        (
            organization,
            escaped(span.trace_id),
            escaped(span.span_id),
            span.started_at.isoformat(),
            _optional(span.input),
            _optional(span.output),
            _json(span.events) if span.events else NULL,
        )
    )


def touch_rows(organization: str, spans: list[NormalSpan]) -> list[str]:
    """Return a line per trace: it got spans and must be folded again."""
    first: dict[str, datetime] = {}
    for span in spans:
        known = first.get(span.trace_id)
        if known is None or span.started_at < known:
            first[span.trace_id] = span.started_at
    return [f"{organization}\t{escaped(trace)}\t{at.isoformat()}" for trace, at in sorted(first.items())]

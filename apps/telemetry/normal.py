"""The normal form: whatever a client sent, one step of an agent's work looks like this."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

KINDS = (
    "agent",
    "model",
    "tool",
    "retrieval",
    "embedding",
    "guardrail",
    "evaluation",
    "human",
    "queue",
    "step",
)
STATUSES = ("ok", "error", "waiting", "unset")


class NormalSpan(msgspec.Struct, gc=False):
    """One step. Times are aware and UTC, durations whole microseconds, tokens whole numbers, money Decimal.

    `input_tokens` includes cache reads and writes (OpenTelemetry's rule). `is_usage_summary` marks token sums that a
    parent repeats from its children: they count only where no step below reports its own. `request_model` is what the
    agent asked for where the provider's answer names a more precise `model`.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    started_at: datetime
    duration_us: int | None
    kind: str = "step"
    status: str = "unset"
    status_message: str | None = None
    error_type: str | None = None
    error_category: str | None = None
    agent: str | None = None
    agent_version: str | None = None
    environment: str | None = None
    task_id: str | None = None
    task_type: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    provider: str | None = None
    model: str | None = None
    request_model: str | None = None
    tool: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    reported_cost_usd: Decimal | None = None
    is_usage_summary: bool = False
    escalation_reason: str | None = None
    input: str | None = None
    output: str | None = None
    attributes: dict[str, Any] = {}
    events: list[dict[str, Any]] | None = None


class Rejection(msgspec.Struct):
    """A span that could not be kept, by its place in the request, and why; its neighbours are not affected."""

    index: int
    reason: str


class Limits(msgspec.Struct, frozen=True):
    """Sizes beyond which values are cut (with a mark) or spans refused."""

    attribute_chars: int = 16_384
    attributes: int = 256
    content_chars: int = 262_144
    name_chars: int = 500
    batch_spans: int = 20_000


class WireError(ValueError):
    """The body as a whole cannot be read; the message says where."""


class TooManySpans(WireError):
    """The batch is over its announced limit."""

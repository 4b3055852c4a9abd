"""The normal form: one span is one step of an agent's work, whatever dialect reported it.

Dialects fill it, ingest stores it. It is plain data without Django, cheap to create by the ten thousand: no cycles can
form, so the collector does not track it.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

KINDS: Final = (
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
STATUSES: Final = ("ok", "error", "waiting", "unset")
ERROR_CATEGORIES: Final = ("tool_failure", "timeout", "invalid_output", "rate_limit", "internal_error")
ESCALATION_REASONS: Final = ("low_confidence", "policy_violation", "user_request", "error", "approval_required")


class NormalSpan(msgspec.Struct, gc=False):
    """One step. `input_tokens` includes cache reads and writes; `duration_us` None means that it has not ended.

    `is_usage_summary` marks token sums that repeat those of the children: they count only where a trace has no model
    span with tokens. `attributes` holds what no field took, with resource attributes under `resource.`.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    started_at: datetime
    duration_us: int | None = None
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
    events: list[dict[str, Any]] = []


class Outcome(msgspec.Struct, gc=False):
    """What somebody or something says, afterwards, about how a trace or task ended."""

    trace_id: str | None = None
    task_id: str | None = None
    span_id: str | None = None
    name: str = "score"
    evaluated_success: bool | None = None
    user_success: bool | None = None
    user_score: float | None = None
    business_value_usd: Decimal | None = None
    comment: str | None = None
    source: str = "api"
    at: datetime | None = None
    key: str | None = None


class Rejection(msgspec.Struct, gc=False):
    """Why one span of a batch was not taken. `index` counts the spans of the batch from 0."""

    index: int
    reason: str


class Decoded(msgspec.Struct):
    """What one request body held."""

    spans: list[NormalSpan] = []
    rejected: list[Rejection] = []
    outcomes: list[Outcome] = []

    @property
    def span_count(self) -> int:
        """Return how many spans were sent, taken or not."""
        return len(self.spans) + len(self.rejected)


class Limits(msgspec.Struct, frozen=True):
    """How much of one span is kept. Longer values are cut and marked; nothing is dropped in silence.

    `payload_characters` bounds input and output each, `value_characters` every other attribute value (serialised).
    """

    name_characters: int = 500
    id_characters: int = 128
    value_characters: int = 8_192
    payload_characters: int = 1_000_000
    attribute_count: int = 256
    event_count: int = 128
    future_seconds: int = 86_400
    past_seconds: int | None = None


class WireError(ValueError):
    """The body cannot be read at all: nothing of it was taken."""

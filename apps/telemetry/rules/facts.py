"""What is known of a span, a trace and a task while folding. Times are microseconds since 1970. No Django here."""

from decimal import Decimal

import msgspec


class SpanFacts(msgspec.Struct, gc=False):
    """What folding needs of a span."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    status: str
    status_message: str | None
    error_category: str | None
    started_us: int
    duration_us: int | None
    agent: str
    agent_version: str | None
    environment: str | None
    task_id: str | None
    task_type: str | None
    conversation_id: str | None
    user_id: str | None
    provider: str | None
    model: str | None
    tool: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    price_state: str
    reported_cost_usd: Decimal | None
    is_usage_summary: bool
    escalation_reason: str | None

    @property
    def ended_us(self) -> int:
        """Return the end, or the start of a step that has not ended."""
        return self.started_us + (self.duration_us or 0)


class Use(msgspec.Struct):
    """The calls of one model or tool by one agent within a trace; tokens and cost counted once."""

    agent: str
    agent_version: str | None
    environment: str | None
    provider: str | None
    model: str | None
    tool: str | None
    call_count: int = 0
    error_count: int = 0
    unpriced_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    duration_us: int = 0


class TraceFacts(msgspec.Struct):
    """One trace, summed up. `last_us` is the latest moment that any of its steps reports."""

    trace_id: str
    name: str
    status: str
    status_message: str | None
    error_category: str | None
    escalation_reason: str | None
    started_us: int
    ended_us: int | None
    last_us: int
    agent: str
    agent_version: str | None
    environment: str | None
    task_type: str | None
    explicit_task_id: str | None
    conversation_id: str | None
    user_id: str | None
    model: str | None
    model_names: list[str]
    tools: list[str]
    agents: list[str]
    span_count: int
    error_count: int
    model_call_count: int
    tool_call_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    reported_cost_usd: Decimal | None
    unpriced_count: int
    model_us: int
    tool_us: int
    human_us: int
    queue_us: int
    own_us: int
    usage: list[Use] = []


class TaskFacts(msgspec.Struct):
    """One task, from all its traces."""

    task_id: str
    name: str
    status: str
    status_message: str | None
    error_category: str | None
    escalation_reason: str | None
    started_us: int
    ended_us: int | None
    latency_us: int | None
    agent: str
    agent_version: str | None
    environment: str | None
    task_type: str | None
    conversation_id: str | None
    user_id: str | None
    model: str | None
    tools: list[str]
    attempt_count: int
    trace_ids: list[str]
    span_count: int
    hidden_error_count: int
    model_call_count: int
    tool_call_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    reported_cost_usd: Decimal | None
    unpriced_count: int
    model_us: int
    tool_us: int
    human_us: int
    queue_us: int
    own_us: int

"""From a client's attribute names to the normal form.

Each folder is one dialect and holds data: FIELDS (attribute → field of the normal form), KINDS (the dialect's words for
kinds of steps) and, where a value has structure, READERS (attribute → function that reads it). A new dialect is a
copied folder and a line in DIALECTS. Where a span carries several, the earlier dialect in DIALECTS
wins, and within one the earlier line of its FIELDS: the GenAI convention before everything else.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.telemetry.dialects import agentops_sdk, genai, langfuse, mlflow, openinference, openllmetry, pydantic_ai
from apps.telemetry.dialects.values import Found, as_decimal, as_text, as_tokens
from apps.telemetry.normal import Limits, NormalSpan
from apps.telemetry.rules.outcomes import error_category, is_handover

DIALECTS = (genai, openinference, openllmetry, langfuse, mlflow, agentops_sdk, pydantic_ai)


def _tables() -> tuple[dict[str, tuple[int, str]], dict[str, Callable], dict[str, str]]:
    fields: dict[str, tuple[int, str]] = {}
    readers: dict[str, Callable] = {}
    kinds: dict[str, str] = {}
    rank = 0
    for dialect in DIALECTS:
        for key, field in dialect.FIELDS.items():
            rank += 1
            fields.setdefault(key, (rank, field))
        readers.update(getattr(dialect, "READERS", {}))
        for word, kind in getattr(dialect, "KINDS", {}).items():
            kinds.setdefault(word, kind)
    return fields, readers, kinds


_FIELDS, _READERS, _KINDS = _tables()
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_TEXTS = (
    "agent",
    "agent_version",
    "environment",
    "task_id",
    "task_type",
    "conversation_id",
    "user_id",
    "provider",
    "model",
    "request_model",
    "tool",
    "escalation_reason",
    "error_type",
    "status_message",
)
# Kinds whose token sums repeat those of the steps below them.
_SUMMARIES = frozenset({"agent", "step"})
_INTERRUPTS = ("GraphInterrupt", "NodeInterrupt", "CallDeferred", "ApprovalRequired")
_OPENAI_AGENTS_SCOPE = "openinference.instrumentation.openai_agents"
SDK_NAMES = frozenset({"agentops"})
CUT_MARK = "… [cut]"


class Resource:
    """What a whole batch has in common: the process that sent it."""

    __slots__ = ("agent", "agent_version", "attributes", "environment", "found")

    def __init__(self, attributes: dict[str, Any]) -> None:
        found: Found = {}
        for key in ("deployment.environment.name", "deployment.environment", "langfuse.environment"):
            if key in attributes:
                found["environment"] = as_text(attributes[key])
                break
        name = as_text(attributes.get("agentops.agent") or attributes.get("service.name"))
        # The SDK's default name says nothing about the agent.
        self.agent = None if not name or name.startswith("unknown_service") or name in SDK_NAMES else name
        self.agent_version = as_text(attributes.get("langfuse.release") or attributes.get("service.version"))
        self.environment = found.get("environment")
        self.attributes = {
            f"resource.{key}": value for key, value in attributes.items() if not key.startswith("telemetry.sdk.")
        }


def normalize(
    *,
    trace_id: str,
    span_id: str,
    parent_span_id: str | None,
    name: str,
    started_at: datetime,
    duration_us: int | None,
    status_code: int,
    status_message: str | None,
    attributes: dict[str, Any],
    events: list[dict[str, Any]] | None,
    resource: Resource,
    scope: str,
    limits: Limits,
) -> NormalSpan:
    """Return the normal form of one OpenTelemetry span; `status_code` is OTLP's 0 unset, 1 ok, 2 error."""
    found: Found = {}
    ranks: dict[str, int] = {}
    rest: dict[str, Any] = {}
    fields = _FIELDS
    for key, value in attributes.items():
        known = fields.get(key)
        if known is not None:
            rank, field = known
            if field not in found or rank < ranks.get(field, 0):
                if field in ranks:
                    rest[key] = value
                found[field] = value
                ranks[field] = rank
            else:
                rest[key] = value
        elif key in _READERS:
            _READERS[key](found, value)
        else:
            rest[key] = value
    span = NormalSpan(
        trace_id, span_id, parent_span_id, name[: limits.name_chars] or "unnamed", started_at, duration_us
    )
    for field in _TEXTS:
        value = found.get(field)
        if value is not None and value != "":
            setattr(span, field, (value if type(value) is str else as_text(value) or "")[:500])
    for field in _TOKENS:
        value = found.get(field)
        if value is not None:
            setattr(span, field, value if type(value) is int and value >= 0 else as_tokens(value))
    if "reported_cost_usd" in found:
        span.reported_cost_usd = as_decimal(found["reported_cost_usd"])
    if "input" in found:
        span.input = cut(as_text(found["input"]), limits.content_chars)
    if "output" in found:
        span.output = cut(as_text(found["output"]), limits.content_chars)
    _settle_usage(span)
    _settle_kind(span, found)
    if span.status_message is None and status_message:
        span.status_message = cut(status_message, 2000)
    if span.agent is None:
        span.agent = resource.agent or (_named_agent(span.name) if span.kind == "agent" else None)
    if span.agent_version is None:
        span.agent_version = resource.agent_version
    if span.environment is None:
        span.environment = resource.environment
    span.events = events
    _settle_status(span, found, status_code, scope)
    span.attributes = bounded({**resource.attributes, **rest}, limits)
    return span


def _settle_usage(span: NormalSpan) -> None:
    cached = (span.cache_read_tokens or 0) + (span.cache_write_tokens or 0)
    # More cached than read in all: this client counts them beside each other.
    if span.input_tokens is not None and cached > span.input_tokens:
        span.input_tokens += cached
    if span.model is None:
        span.model = span.request_model


def _settle_kind(span: NormalSpan, found: Found) -> None:
    kind = found.get("mapped_kind") or _KINDS.get(str(found.get("kind", "")))
    if kind is None:
        if span.tool:
            kind = "tool"
        elif span.model and span.input_tokens is not None:
            kind = "model"
        else:
            kind = "step"
    span.kind = kind
    if kind == "tool" and not span.tool:
        span.tool = as_text(found.get("function")) or span.name
    if (span.input_tokens is not None or span.output_tokens is not None) and kind in _SUMMARIES:
        span.is_usage_summary = True


def _named_agent(name: str) -> str:
    """Return the agent that a step of kind agent is named after (`invoke_agent support`, `support.agent`)."""
    name = name.removeprefix("invoke_agent ")
    for suffix in (".agent", ".session", ".workflow"):
        name = name.removesuffix(suffix)
    return name


def _settle_status(span: NormalSpan, found: Found, status_code: int, scope: str) -> None:
    status = found.get("status")
    for event in span.events or ():
        if event["name"] == "exception":
            kind = str(event["attributes"].get("exception.type", ""))
            if kind.endswith(_INTERRUPTS):
                # A run that stops for a person reports success; the interrupt is the only sign.
                status = "waiting"
            else:
                span.error_type = span.error_type or kind or None
                if status_code == 2 and not span.status_message:
                    span.status_message = str(event["attributes"].get("exception.message", ""))[:2000] or None
    if (
        status is None
        and span.kind == "tool"
        and span.output is None
        and status_code == 1
        and scope.startswith(_OPENAI_AGENTS_SCOPE)
        and not span.name.startswith("handoff")
    ):
        # A tool that needs approval ends without a result; the approved call is a span of its own.
        status = "waiting"
    if status is None:
        status = "error" if status_code == 2 else "ok" if status_code == 1 or span.duration_us is not None else "unset"
    span.status = status
    if status == "waiting":
        span.escalation_reason = span.escalation_reason or "approval_required"
    elif status == "error":
        span.error_category = error_category(span.kind, span.error_type, span.status_message)
    if span.kind == "tool" and span.escalation_reason is None and span.tool and is_handover(span.tool):
        span.escalation_reason = "unstated"


def cut(text: str | None, limit: int) -> str | None:
    """Return the text, cut with a mark where it is longer than `limit` characters."""
    if text is None or len(text) <= limit:
        return text
    return text[: limit - len(CUT_MARK)] + CUT_MARK


def bounded(attributes: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return the attributes within their limits; what was left out is counted, never silently lost."""
    limit = limits.attribute_chars
    for key, value in attributes.items():
        if type(value) is str:
            if len(value) > limit:
                attributes[key] = cut(value, limit)
        elif isinstance(value, list | dict):
            text = as_text(value) or ""
            if len(text) > limit:
                attributes[key] = cut(text, limit)
    if len(attributes) > limits.attributes:
        kept = dict(list(attributes.items())[: limits.attributes])
        kept["agentops.dropped_attributes"] = len(attributes) - limits.attributes
        return kept
    return attributes

"""From a client's attribute names to the normal form.

Each folder is one dialect and holds data: FIELDS (attribute → field of the normal form), KINDS (the dialect's words for
kinds of steps), METADATA (attributes, or with a dot at the end prefixes, that hold what people add by hand), NESTED
(prefixes of flattened lists) and, where a value has structure, READERS (attribute → function that reads it). A new
dialect is a copied folder and a line in DIALECTS. Where a span carries several, the earlier dialect in DIALECTS wins,
and within one the earlier line of its FIELDS; then what READERS found, then metadata. The order in which a client wrote
the attributes never matters. docs/telemetry/dialects.md says it for users.
"""

from datetime import datetime
from typing import Any

from apps.telemetry.dialects.nesting import nested
from apps.telemetry.dialects.tables import DIALECTS, KINDS_BY_WORD, METADATA_RANK, TEXTS, TOKENS, Plan, plan_of
from apps.telemetry.dialects.values import Found, as_decimal, as_text, as_tokens, unquoted
from apps.telemetry.normal import Limits, NormalSpan
from apps.telemetry.rules.outcomes import error_category, escalation_reason, is_handover

__all__ = ["DIALECTS", "Resource", "bounded", "cut", "normalize"]

# Words for what holds agents together and is none itself, though it is shown like one.
_GROUPS = frozenset({"session", "workflow", "invoke_workflow"})
# Kinds whose token sums repeat those of the steps below them.
_SUMMARIES = frozenset({"agent", "step"})
_INTERRUPTS = (
    "GraphInterrupt",
    "NodeInterrupt",
    "CallDeferred",
    "ApprovalRequired",
    "HumanFeedbackPending",
)
# A call of one of these is a request for a person's decision (Google ADK).
_ASKING_TOOLS = frozenset({"adk_request_confirmation", "adk_request_input"})
_OPENAI_AGENTS_SCOPE = "openinference.instrumentation.openai_agents"
_TRACEBACK = "Traceback (most recent call last)"
SDK_NAMES = frozenset({"agentops"})
CUT_MARK = "… [cut]"
LABEL_CHARS = 500


class Resource:
    """What a whole batch has in common: the process that sent it."""

    __slots__ = ("agent", "agent_version", "attributes", "environment")

    def __init__(self, attributes: dict[str, Any], limits: Limits) -> None:
        self.environment = None
        for key in (
            "agentops.environment",
            "deployment.environment.name",
            "deployment.environment",
            "langfuse.environment",
        ):
            if key in attributes:
                self.environment = _label(attributes[key])
                break
        name = _label(
            attributes.get("agentops.agent") or attributes.get("gen_ai.agent.name") or attributes.get("service.name")
        )
        # The SDK's default name says nothing about the agent.
        self.agent = None if not name or name.startswith("unknown_service") or name in SDK_NAMES else name
        self.agent_version = _label(attributes.get("langfuse.release") or attributes.get("service.version"))
        self.attributes = bounded(
            {f"resource.{key}": value for key, value in attributes.items() if not key.startswith("telemetry.sdk.")},
            limits,
        )


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
    plan = plan_of(tuple(attributes))
    rest = resource.attributes.copy()
    limit = limits.attribute_chars
    for key in plan.rest:
        value = attributes[key]
        rest[key] = value if type(value) is str and len(value) <= limit else _bounded(value, limit)
    for key, winner in plan.doubles:
        if attributes[key] != attributes[winner]:
            rest[key] = _bounded(attributes[key], limit)
    span = NormalSpan(
        trace_id, span_id, parent_span_id, name[: limits.name_chars] or "unnamed", started_at, duration_us
    )
    found: Found = {field: attributes[key] for field, key in plan.others}
    for field, key in plan.texts:
        value = attributes[key]
        setattr(span, field, value if type(value) is str and 0 < len(value) <= LABEL_CHARS else _label(value))
    for field, key in plan.tokens:
        count = as_tokens(attributes[key])
        setattr(span, field, count)
        if count is None:
            rest[key] = _bounded(attributes[key], limit)
    if plan.late:
        _read_late(span, found, rest, attributes, plan, limit)
    if "reported_cost_usd" in found:
        span.reported_cost_usd = as_decimal(found["reported_cost_usd"])
        if span.reported_cost_usd is None and "reported_cost_usd" in plan.winners:
            rest[plan.winners["reported_cost_usd"]] = _bounded(found["reported_cost_usd"], limit)
    if "input" in found:
        span.input = cut(as_text(unquoted(found["input"])), limits.content_chars)
    if "output" in found:
        span.output = cut(as_text(unquoted(found["output"])), limits.content_chars)
    _settle_usage(span, found)
    _settle_kind(span, found)
    if span.status_message is None and status_message:
        span.status_message = cut(status_message, 2000)
    if span.agent is None:
        _settle_agent(span, found, resource, scope)
    if span.agent_version is None:
        span.agent_version = resource.agent_version
    if span.environment is None:
        span.environment = resource.environment
    span.events = events
    _settle_status(span, found, status_code, scope)
    if span.escalation_reason == "unstated" and "escalation_reason" in plan.winners:
        key = plan.winners["escalation_reason"]
        rest[key] = _bounded(attributes[key], limit)
    if len(rest) > limits.attributes:
        rest = bounded(rest, limits)
    span.attributes = rest
    return span


def _read_late(
    span: NormalSpan, found: Found, rest: dict[str, Any], attributes: dict[str, Any], plan: Plan, limit: int
) -> None:
    """Read values with structure, best rank first; each fills only what is still missing.

    Usage counts as one thing: cached tokens of one dialect beside the input of another would mean nothing.
    """
    families: dict[str, dict[str, Any]] = {}
    for key, use in plan.late:
        value = attributes[key]
        if use.reader is None:
            families.setdefault(use.prefix, {})[key.removeprefix(use.prefix)] = value
            continue
        fresh: Found = {}
        use.reader(fresh, value)
        has_usage = any(getattr(span, field) is not None for field in TOKENS)
        is_held = True
        for field, read in fresh.items():
            if field in TEXTS:
                present = getattr(span, field)
                if present is None:
                    setattr(span, field, _label(read))
                is_held = is_held and present in (None, read)
            elif field in TOKENS:
                if not has_usage:
                    setattr(span, field, as_tokens(read))
                is_held = is_held and not has_usage
            else:
                is_held = found.setdefault(field, read) == read and is_held
        # Metadata stays readable as what it was; so does a structure that could not be read or said otherwise.
        if not fresh or not is_held or use.rank >= METADATA_RANK:
            rest[key] = _bounded(value, limit)
    for prefix, members in families.items():
        whole = nested(members)
        field = "input" if "input" in prefix or "prompt" in prefix else "output" if "output" in prefix else ""
        if field and field not in found:
            found[field] = whole
        else:
            rest[prefix.rstrip(".")] = _bounded(whole, limit)


def _label(value: Any) -> str | None:
    """Return a short text: a name or an id."""
    text = as_text(value)
    return cut(text, LABEL_CHARS) or None


def _settle_agent(span: NormalSpan, found: Found, resource: Resource, scope: str) -> None:
    """Name the agent: an agent's own step by its node, then the process, then an agent's step by its name."""
    node = found.get("node")
    is_named = span.kind == "agent" and str(found.get("kind")).lower() not in _GROUPS
    if is_named and node:
        span.agent = _label(unquoted(node))
    elif resource.agent is not None:
        span.agent = resource.agent
    elif is_named and not scope.startswith(_OPENAI_AGENTS_SCOPE):
        span.agent = _named_agent(span.name)


def _settle_usage(span: NormalSpan, found: Found) -> None:
    cached = (span.cache_read_tokens or 0) + (span.cache_write_tokens or 0)
    if cached and span.input_tokens is not None:
        total = as_tokens(found.get("total_tokens"))
        sent = span.input_tokens + (span.output_tokens or 0)
        # More cached than read in all, or a sum that needs both: this client counts them beside each other.
        if cached > span.input_tokens or (total is not None and total == sent + cached):
            span.input_tokens += cached
    if span.model is None:
        span.model = span.request_model


def _settle_kind(span: NormalSpan, found: Found) -> None:
    kind = found.get("mapped_kind") or KINDS_BY_WORD.get(str(found.get("kind", ""))) or found.get("likely_kind")
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
    return name.removesuffix(".agent")


def _settle_status(span: NormalSpan, found: Found, status_code: int, scope: str) -> None:
    status = found.get("status")
    if status is None and span.error_type is not None and status_code == 0:
        status_code = 2
    for event in span.events or ():
        if event["name"] == "exception":
            kind = str(event["attributes"].get("exception.type") or "")
            if kind.endswith(_INTERRUPTS):
                # A run that stops for a person reports success; the interrupt is the only sign.
                status = "waiting"
            elif status_code == 2 or status == "error":
                span.error_type = span.error_type or cut(kind, LABEL_CHARS) or None
                said, traceback, _ = (span.status_message or "").partition(_TRACEBACK)
                if traceback or not said:
                    sent = as_text(event["attributes"].get("exception.message"))
                    span.status_message = cut(sent or said, 2000) or None
    if status is None and span.kind == "tool" and (span.tool in _ASKING_TOOLS or _is_silent(span, status_code, scope)):
        status = "waiting"
    if status is None:
        status = "error" if status_code == 2 else "ok" if status_code == 1 or span.duration_us is not None else "unset"
    span.status = status
    span.escalation_reason = escalation_reason(span.escalation_reason)
    if status == "waiting":
        if not found.get("waits_for_program"):
            span.escalation_reason = span.escalation_reason or "approval_required"
    elif status == "error":
        span.error_category = error_category(span.kind, span.error_type, span.status_message)
    if span.kind == "tool" and span.escalation_reason is None and span.tool and is_handover(span.tool):
        span.escalation_reason = "unstated"


def _is_silent(span: NormalSpan, status_code: int, scope: str) -> bool:
    """Tell whether a tool ended without a result where that means approval is needed; the approved call is another."""
    return (
        span.output is None
        and status_code == 1
        and scope.startswith(_OPENAI_AGENTS_SCOPE)
        and not span.name.startswith("handoff")
    )


def cut(text: str | None, limit: int) -> str | None:
    """Return the text, cut with a mark where it is longer than `limit` characters."""
    if text is None or len(text) <= limit:
        return text
    return text[: limit - len(CUT_MARK)] + CUT_MARK


def _bounded(value: Any, limit: int) -> Any:
    """Return an attribute's value within its limit; a structure that is too long as cut text."""
    if type(value) is str:
        return value if len(value) <= limit else cut(value, limit)
    if isinstance(value, list | dict):
        text = as_text(value) or ""
        if len(text) > limit:
            return cut(text, limit)
    return value


def bounded(attributes: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return the attributes within their limits; what was left out is counted, never silently lost."""
    limit = limits.attribute_chars
    for key, value in attributes.items():
        attributes[key] = _bounded(value, limit)
    if len(attributes) > limits.attributes:
        kept = dict(list(attributes.items())[: limits.attributes])
        kept["agentops.dropped_attributes"] = len(attributes) - limits.attributes
        return kept
    return attributes

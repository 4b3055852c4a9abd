"""What went wrong, and who took over: categories of errors and escalations. No Django here."""

import re

ERROR_CATEGORIES = {
    "tool_failure": "Tool failure",
    "timeout": "Timeout",
    "invalid_output": "Invalid output",
    "rate_limit": "Rate limit",
    "internal_error": "Internal error",
}

# The guide's five reasons, and one for agents that hand over without saying why.
ESCALATION_REASONS = {
    "approval_required": "Approval required",
    "low_confidence": "Low confidence",
    "policy_violation": "Policy",
    "user_request": "Asked for a person",
    "error": "Error",
    "unstated": "Handed over, no reason given",
}

_RATE_LIMIT = ("ratelimit", "rate limit", "rate_limit", "too many requests", "toomanyrequests", "quota", "throttl")
_TIMEOUT = ("timeout", "timed out", "deadline")
_INVALID_OUTPUT = (
    "validationerror",
    "jsondecode",
    "outputparser",
    "output_parsing",
    "unexpectedmodelbehavior",
    "modelbehaviorerror",
    "invalid output",
    "invalid_output",
    "invalid json",
    "match the schema",
    "schemaerror",
    "maxretriesexceeded",
    "length limit",
    "content_filter",
)
_PROVIDER = ("connection", "internalservererror", "serviceunavailable", "overloaded", "api error")
# Status codes that stand alone: 429 is a rate limit, order 14290 is not.
_CODES = {
    "rate_limit": frozenset({"429"}),
    "timeout": frozenset({"408", "504"}),
    "provider": frozenset({"500", "502", "503", "529"}),
}
_HANDOVER = (
    "transfer_to_human",
    "transfer_to_agent_human",
    "transfer_to_supervisor",
    "handoff_to_human",
    "hand_off_to_human",
    "escalate_to_human",
    "escalate_to_supervisor",
    "human_handoff",
    "ask_human",
    "request_human",
    "contact_human",
    "request_approval",
    "human_approval",
)
# Other words for the reasons.
_REASONS = {
    "approval": "approval_required",
    "needs_approval": "approval_required",
    "requires_approval": "approval_required",
    "confidence": "low_confidence",
    "uncertain": "low_confidence",
    "policy": "policy_violation",
    "compliance": "policy_violation",
    "user": "user_request",
    "user_requested": "user_request",
    "customer_request": "user_request",
    "failure": "error",
    "exception": "error",
}
_LONE_NUMBER = re.compile(r"(?<![\w.#-])\d{3}(?![\w-])")
_PREFIX = re.compile(r"__|[./:]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_READ_CHARS = 2000


def error_category(kind: str, error_type: str | None, message: str | None) -> str:
    """Return one of ERROR_CATEGORIES for a failed step.

    The words of the error decide first (a tool that times out is a timeout), then whose step it was: a tool's or a
    model provider's failure is `tool_failure` (an external service), anything else a defect of the agent itself.
    """
    text = f"{error_type or ''} {message or ''}"[:_READ_CHARS].lower()
    codes = frozenset(_LONE_NUMBER.findall(text))
    if any(word in text for word in _RATE_LIMIT) or not codes.isdisjoint(_CODES["rate_limit"]):
        return "rate_limit"
    if any(word in text for word in _TIMEOUT) or not codes.isdisjoint(_CODES["timeout"]):
        return "timeout"
    if any(word in text for word in _INVALID_OUTPUT):
        return "invalid_output"
    if kind in ("tool", "retrieval"):
        return "tool_failure"
    if kind in ("model", "embedding") and (
        any(word in text for word in _PROVIDER) or not codes.isdisjoint(_CODES["provider"])
    ):
        return "tool_failure"
    return "internal_error"


def is_handover(tool: str) -> bool:
    """Tell whether a tool's name says that a person takes over (a server's prefix before it does not matter).

    >>> is_handover("transfer_to_human_agents"), is_handover("crm__escalate-to-human"), is_handover("transfer_money")
    (True, True, False)
    """
    name = tool.lower()
    return any(_NOT_WORD.sub("_", part).startswith(_HANDOVER) for part in (name, *_PREFIX.split(name)))


def escalation_reason(stated: str | None) -> str | None:
    """Return a stated reason as one of ESCALATION_REASONS; `unstated` for a text that is none of them."""
    if not stated:
        return None
    word = _NOT_WORD.sub("_", stated.lower()).strip("_")
    if word in ("", "none", "null", "false", "no"):
        return None
    return word if word in ESCALATION_REASONS else _REASONS.get(word, "unstated")

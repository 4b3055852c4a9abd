"""What went wrong, and who took over: categories of errors and escalations. No Django here."""

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

_RATE_LIMIT = ("ratelimit", "rate limit", "rate_limit", "429", "too many requests", "quota", "throttl")
_TIMEOUT = ("timeout", "timed out", "deadline")
_INVALID_OUTPUT = (
    "validationerror",
    "jsondecode",
    "outputparser",
    "output_parsing",
    "unexpectedmodelbehavior",
    "invalid output",
    "invalid_output",
    "invalid json",
    "schema",
    "maxretriesexceeded",
    "length limit",
    "content_filter",
)
_PROVIDER = ("connection", "internalservererror", "serviceunavailable", "503", "502", "500", "overloaded", "api error")
_HANDOVER = ("transfer_to_human", "handoff_to_human", "escalate_to_human", "human_handoff", "transfer_to_agent_human")


def error_category(kind: str, error_type: str | None, message: str | None) -> str:
    """Return one of ERROR_CATEGORIES for a failed step.

    The words of the error decide first (a tool that times out is a timeout), then whose step it was: a tool's or a
    model provider's failure is `tool_failure` (an external service), anything else a defect of the agent itself.
    """
    text = f"{error_type or ''} {message or ''}".lower()
    if any(word in text for word in _RATE_LIMIT):
        return "rate_limit"
    if any(word in text for word in _TIMEOUT):
        return "timeout"
    if any(word in text for word in _INVALID_OUTPUT):
        return "invalid_output"
    if kind in ("tool", "retrieval"):
        return "tool_failure"
    if kind in ("model", "embedding") and any(word in text for word in _PROVIDER):
        return "tool_failure"
    return "internal_error"


def is_handover(tool: str) -> bool:
    """Tell whether a tool's name says that a person takes over."""
    return tool.lower().replace("-", "_").startswith(_HANDOVER)

"""The life of an agent: which status may follow which, and when a reason must be given."""

STATUSES = {
    "draft": "Draft",
    "pilot": "Pilot",
    "production": "Production",
    "suspended": "Suspended",
    "retired": "Retired",
}

STATUS_CHOICES = [(key, key) for key in STATUSES]

# status → what may follow it. Backward and stopping steps ask for a reason.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "draft": ("pilot", "retired"),
    "pilot": ("production", "draft", "suspended", "retired"),
    "production": ("pilot", "suspended", "retired"),
    "suspended": ("pilot", "production", "retired"),
    "retired": ("draft",),
}

_WITHOUT_REASON = {("draft", "pilot"), ("pilot", "production")}

CRITICALITIES = {"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}


def may_become(status: str, wanted: str) -> bool:
    """Tell whether an agent may go from one status to another."""
    return wanted in TRANSITIONS[status]


def needs_reason(status: str, wanted: str) -> bool:
    """Tell whether the step must be explained."""
    return (status, wanted) not in _WITHOUT_REASON


def refusal(status: str, wanted: str, reason: str) -> str | None:
    """Return the sentence that refuses a change of status, None if it may happen."""
    if wanted not in STATUSES:
        return f"“{wanted}” is no status; write one of {', '.join(STATUSES)}."
    if wanted == status:
        return f"The agent is already {STATUSES[status].lower()}."
    if not may_become(status, wanted):
        allowed = ", ".join(TRANSITIONS[status])
        return f"An agent cannot go from {status} to {wanted}; from {status} it can become {allowed}."
    if needs_reason(status, wanted) and not reason.strip():
        return f"Give a reason for going from {status} to {wanted}."
    return None

"""What a figure is made of, as bars: where the time went, why people had to act, what failed, what came of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.rules.sums import Sums

COMPONENTS = {
    "tool_us": ("Tools", "tool"),
    "model_us": ("Models", ""),
    "human_us": ("People", "human"),
    "queue_us": ("Queue", "queue"),
    "own_us": ("Own work", "done"),
}


class Bar(NamedTuple):
    """One part of a whole: offset and width in percent, what it amounts to, and the rows behind it."""

    name: str
    kind: str
    offset: float
    width: float
    amount: int
    share: float
    rows: str = ""


def time_bars(times: Any, *, end_to_end: bool = False) -> list[Bar]:
    """Return where the time went (`times` has the columns of COMPONENTS), the longest first.

    The bars begin at zero, or each where the one before ends.
    """
    amounts = {key: max(0, getattr(times, key)) for key in COMPONENTS}
    whole = sum(amounts.values())
    bars, offset = [], 0.0
    for key, amount in sorted(amounts.items(), key=lambda item: -item[1]):
        if amount:
            name, kind = COMPONENTS[key]
            width = 100 * amount / whole
            bars.append(Bar(name, kind, round(offset, 2), round(width, 2), amount, amount / whole))
            offset += width if end_to_end else 0
    return bars


def outcome_bars(sums: Sums) -> dict[str, list[Bar]]:
    """Return escalations by reason, failures by category, and tasks by their end; each bar starts at zero."""
    ends = {
        "succeeded": ("Succeeded", sums.succeeded_count),
        "failed": ("Failed", sums.failed_count),
        "abandoned": ("Abandoned", sums.abandoned_count),
    }
    counts = {key: amount for key, (_, amount) in ends.items() if amount}
    return {
        "reasons": _bars(sums.by_reason, ESCALATION_REASONS, "human", "escalation_reason"),
        "errors": _bars(sums.by_error, ERROR_CATEGORIES, "error", "error_category"),
        "ends": _bars(counts, {key: name for key, (name, _) in ends.items()}, "", "status"),
    }


def _bars(counts: Mapping[str, int], names: Mapping[str, str], kind: str, parameter: str) -> list[Bar]:
    whole = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [
        Bar(
            names.get(key, key), kind, 0.0, round(100 * amount / whole, 2), amount, amount / whole, f"{parameter}={key}"
        )
        for key, amount in ordered
    ]

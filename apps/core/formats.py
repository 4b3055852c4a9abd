"""How values read: numbers, money, durations, times. No Django here.

An unknown value is a dash, never 0.
"""

from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

UNKNOWN = "—"
MINUS = "−"


def count(value: int | None) -> str:
    """Return 48,213 and from a million on 1.2 M."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.1f} M"
    return f"{value:,}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """Return a share (0 to 1) as 91.4%."""
    return UNKNOWN if share is None else f"{share * 100:.1f}%"


def whole_percent(share: float | None) -> str:
    """Return a share (0 to 1) without decimals: 61%; what is there is never written as 0%."""
    if share is None:
        return UNKNOWN
    return "<1%" if 0 < share < 0.005 else f"{share * 100:.0f}%"


def act(action: str) -> str:
    """Return an audited act as people say it: `agent.registered` is “Registered agent”."""
    noun, _, verb = action.rpartition(".")
    return f"{verb[:1].upper()}{verb[1:]} {noun}".replace("_", " ").strip()


def points(difference: float | None) -> str:
    """Return a difference of shares as +0.6 pt, with a true minus."""
    if difference is None:
        return UNKNOWN
    value = f"{difference * 100:+.1f} pt"
    return value.replace("-", MINUS)


def money(amount: Decimal | float | None) -> str:
    """Return $1,240.00, and below a dollar three significant digits: $0.184."""
    if amount is None:
        return UNKNOWN
    value = Decimal(str(amount))
    sign = MINUS if value < 0 else ""
    value = abs(value)
    if value == 0:
        return "$0"
    if value >= 1:
        return f"{sign}${value.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
    digits = 2 - value.adjusted()
    if digits > 9:
        return f"{sign}<$0.00000001"
    return f"{sign}${value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN):f}"


def duration(microseconds: float | None) -> str:
    """Return 340 ms, 21.8 s, 3 min 20 s, 1 h 12 min or 2 days."""
    if microseconds is None:
        return UNKNOWN
    milliseconds = microseconds / 1000
    if milliseconds < 1:
        return f"{milliseconds:.1f} ms" if milliseconds else "0 ms"
    if round(milliseconds) < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < 172_800:
        hours, rest = divmod(round(whole / 60), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{whole // 86_400} days"


def whole_duration(microseconds: float) -> str:
    """Return a limit without decimals: 30 s, 5 min, 1 h."""
    seconds = round(microseconds / 1e6)
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(at: datetime | None, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Return 09:42 for today, 24 Nov 14:02 for this year, else 24 Nov 2026; in the reader's zone."""
    if at is None:
        return UNKNOWN
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y}"


def ago(at: datetime | None, *, now: datetime) -> str:
    """Return how long ago: 12 s ago, 3 min ago, 2 h ago, 5 days ago."""
    if at is None:
        return UNKNOWN
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            amount = seconds // size
            return f"{amount} {unit}{'s' if unit == 'day' and amount > 1 else ''} ago"
    return f"{seconds} s ago"


def shortened(text: str, head: int = 8, tail: int = 4) -> str:
    """Return a long id cut in the middle: 7f3a9c12…c21e."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[-tail:]}"

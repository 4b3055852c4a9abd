"""Times as they travel: RFC 3339 in UTC with microseconds."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Return `2026-11-23T06:12:36.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

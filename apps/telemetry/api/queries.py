"""What a request asks for: periods, filters, pages; and how values travel."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from apps.core.errors import DomainError
from apps.telemetry.selectors.metrics import DIMENSIONS, Slice, everything
from apps.telemetry.selectors.runs import RunFilter

TAGS = ["Telemetry"]
MOST_ROWS = 100
DEFAULT_ROWS = 50
_INTERVAL = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# The address says `version`, the table `agent_version`; agents and the guide say both.
_NAMES = {"version": "agent_version", "initiated_by": "user_id", "q": "text", "error": "error_category"}


def parameter(name: str, description: str, kind: Any = str, **more: Any) -> OpenApiParameter:
    """Describe a query parameter for the schema."""
    return OpenApiParameter(name, kind, description=description, **more)


SLICE_PARAMETERS = [
    parameter("agent", "Slug of the agent"),
    parameter("version", "Version of the agent"),
    parameter("environment", "Environment, for example production"),
    parameter("task_type", "Type of task"),
    parameter("model", "Model that a task mostly used"),
    parameter("from", "First moment, RFC 3339 (default: everything that is kept)", datetime),
    parameter("to", "First moment after, RFC 3339 (default: now)", datetime),
]
PAGE_PARAMETERS = [
    parameter("cursor", "Where to go on: `next` of the page before"),
    parameter("limit", f"Rows of a page, 1 to {MOST_ROWS} (default {DEFAULT_ROWS})", int),
]


def read_slice(query: QueryDict) -> Slice:
    """Return the slice that a query names; without `from` and `to` everything that is kept."""
    default = everything()
    end = read_moment(query, "to") or default.end
    start = read_moment(query, "from") or default.start
    if start >= end:
        raise DomainError("`from` must lie before `to`.", code="period_empty", field="from", status=400)
    wanted = {_NAMES.get(name, name): read_text(query, name) for name in ("agent", "version", *DIMENSIONS[2:])}
    return Slice(start=start, end=end, **wanted)


def read_run_filter(query: QueryDict, *names: str) -> RunFilter:
    """Return the filter of a list that a query names; `names` are the parameters it understands."""
    wanted = {_NAMES.get(name, name): read_text(query, name) for name in names}
    return RunFilter(start=read_moment(query, "from"), end=read_moment(query, "to"), **wanted)


def read_page(query: QueryDict) -> dict[str, Any]:
    """Return cursor and limit."""
    text = query.get("limit") or str(DEFAULT_ROWS)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST_ROWS:
        raise DomainError(f"limit is a number from 1 to {MOST_ROWS}.", code="limit_invalid", field="limit", status=400)
    return {"cursor": read_text(query, "cursor"), "limit": int(text)}


def read_text(query: QueryDict, name: str) -> str | None:
    """Return a parameter, None where it is missing or empty; no database stores a NUL."""
    value = query.get(name)
    if value and "\0" in value:
        raise DomainError(f"`{name}` contains a NUL character.", code="invalid", field=name, status=400)
    return value or None


def read_moment(query: QueryDict, name: str) -> datetime | None:
    """Return a moment; a `+` that the address turned into a space is forgiven."""
    text = query.get(name)
    if not text:
        return None
    try:
        moment = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1970 < moment.year < 9000:
        raise DomainError(
            f"`{name}` is a moment with its zone, for example 2026-11-24T09:00:00Z.",
            code="invalid",
            field=name,
            status=400,
        )
    return moment


def read_interval(query: QueryDict) -> timedelta | None:
    """Return the interval of a series (`5m`, `1h`, `1d`), None where none is asked for."""
    text = query.get("interval")
    if not text:
        return None
    found = _INTERVAL.fullmatch(text)
    if found is None or not int(found[1]):
        raise DomainError(
            "`interval` is a number and s, m, h, d or w: 5m, 1h, 1d.", code="invalid", field="interval", status=400
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def money(amount: Decimal | None) -> str | None:
    """Return an amount as it travels: a decimal string without trailing zeros, at most ten decimals."""
    if amount is None:
        return None
    text = format(amount.quantize(Decimal("1E-10")), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(microseconds: float | None) -> float | None:
    """Return a duration in milliseconds."""
    return None if microseconds is None else round(microseconds / 1000, 3)


def rounded(rate: float | None) -> float | None:
    """Return a share with six decimals."""
    return None if rate is None else round(rate, 6)


class TokensShape(serializers.Serializer):
    """Tokens in and out."""

    input = serializers.IntegerField()
    output = serializers.IntegerField()


def page_answer(rows: list[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    """Return a page as every door does: its rows and the cursor of the next."""
    return {"data": rows, "next": next_cursor}


def page_shape(name: str, fields: dict[str, Any]) -> serializers.Serializer:
    """Describe a page of rows for the schema."""
    return inline_serializer(
        f"{name}Page",
        {
            "data": inline_serializer(f"{name}InPage", fields, many=True),
            "next": serializers.CharField(allow_null=True, help_text="Cursor of the next page; null on the last."),
        },
    )

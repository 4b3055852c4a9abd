"""Store spans: durable before the answer, each once, in one transaction per request."""

import threading
import time
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings
from django.utils import timezone
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from apps.core.errors import Unavailable
from apps.telemetry.normal import Limits, NormalSpan, Rejection
from apps.telemetry.rules.agents import name_agents
from apps.telemetry.selectors.ingest_settings import ingest_settings
from apps.telemetry.services.rows import PAYLOAD_COLUMNS, SPAN_COLUMNS, payload_row, span_row, touch_rows
from config.database import ingest_conninfo

# How long a request waits for a connection before the client is told to come back.
POOL_TIMEOUT_SECONDS = 5.0
RETRY_AFTER_SECONDS = 2
ATTEMPTS = 4

_SPAN_TYPES = {
    "organization_id": "uuid",
    "started_at": "timestamptz",
    "is_usage_summary": "boolean",
    "attributes": "jsonb",
    "events": "jsonb",
    "cost_usd": "numeric",
    "reported_cost_usd": "numeric",
    "duration_us": "bigint",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "cache_read_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "reasoning_tokens": "bigint",
}


class Stored(NamedTuple):
    """How many spans of a batch were accepted (new or known), and which were refused."""

    accepted_count: int
    rejected: list[Rejection]


_pool: ConnectionPool | None = None
_pool_lock = threading.Lock()
_known_days: set[date] = set()


def limits() -> Limits:
    """Return the installation's limits."""
    configured = settings.TELEMETRY
    return Limits(
        attribute_chars=configured["max_attribute_chars"],
        attributes=configured["max_attributes"],
        content_chars=configured["max_content_chars"],
        batch_spans=configured["max_batch_spans"],
    )


def store_spans(*, organization_id: UUID, agent_slug: str | None, spans: list[NormalSpan]) -> Stored:
    """Store what a credential of the organization sent; returns after the commit.

    A span that is there already (same trace, span and start) changes nothing, also when two processes send it at once.
    Raises Unavailable when the database does not take it now: the client shall send the batch again.
    """
    kept, rejected = _within_age(spans)
    if not kept:
        return Stored(0, rejected)
    own = ingest_settings(organization_id)
    if own.redactor:
        for span in kept:
            own.redactor.redact(span)
    name_agents(kept)
    organization = str(organization_id)
    # In the order of the key, so that two batches with the same spans wait for each other instead of deadlocking.
    unique = {(span.trace_id, span.span_id, span.started_at): span for span in reversed(kept)}
    ordered = [unique[key] for key in sorted(unique)]
    span_lines = [span_row(organization, span, agent_slug, own.book) for span in ordered]
    payload_lines = [line for span in ordered if (line := payload_row(organization, span))]
    copy_spans = ("\n".join(span_lines) + "\n").encode()
    copy_payloads = ("\n".join(payload_lines) + "\n").encode() if payload_lines else b""
    copy_touches = ("\n".join(touch_rows(organization, ordered)) + "\n").encode()
    _write({span.started_at.date() for span in ordered}, copy_spans, copy_payloads, copy_touches)
    return Stored(len(kept), rejected)


def _within_age(spans: list[NormalSpan]) -> tuple[list[NormalSpan], list[Rejection]]:
    now = timezone.now()
    oldest = now - timedelta(days=settings.TELEMETRY["max_age_days"])
    latest = now + timedelta(seconds=settings.TELEMETRY["max_future_seconds"])
    if all(oldest <= span.started_at <= latest for span in spans):
        return spans, []
    kept, rejected = [], []
    for index, span in enumerate(spans):
        if span.started_at < oldest:
            reason = f"started {span.started_at.isoformat()}, more than {settings.TELEMETRY['max_age_days']} days ago"
            rejected.append(Rejection(index, reason))
        elif span.started_at > latest:
            rejected.append(Rejection(index, f"started {span.started_at.isoformat()}, in the future"))
        else:
            kept.append(span)
    return kept, rejected


def _write(days: set[date], spans: bytes, payloads: bytes, touches: bytes) -> None:
    is_staged = False
    for attempt in range(ATTEMPTS):
        try:
            with pool().connection(timeout=POOL_TIMEOUT_SECONDS) as connection:
                _ensure_days(connection, days)
                with connection.transaction():
                    _copy(connection, "telemetry_span", SPAN_COLUMNS, spans, is_staged)
                    if payloads:
                        _copy(connection, "telemetry_payload", PAYLOAD_COLUMNS, payloads, is_staged)
                    with connection.cursor().copy(
                        "COPY telemetry_touch (organization_id, trace_id, started_at) FROM STDIN"
                    ) as copy:
                        copy.write(touches)
            return
        except (errors.UniqueViolation, errors.DeadlockDetected):
            # Some are there already: the same rows once more, past those that are.
            is_staged = True
        except errors.CheckViolation:
            # The day's partition is gone (retention) or this process only believed it was there.
            _known_days.difference_update(days)
        except (PoolTimeout, psycopg.OperationalError) as error:
            if attempt == ATTEMPTS - 1 or isinstance(error, PoolTimeout):
                raise Unavailable(
                    "The database does not take telemetry now; send the batch again.", retry_after=RETRY_AFTER_SECONDS
                ) from error
            time.sleep(0.2 * (attempt + 1))
    raise Unavailable("The batch met too many others like it; send it again.", retry_after=RETRY_AFTER_SECONDS)


def _copy(connection: psycopg.Connection, table: str, columns: tuple[str, ...], lines: bytes, is_staged: bool) -> None:
    """Copy lines straight into the table, or (staged) through a temporary one past the rows that are there."""
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if not is_staged:
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                copy.write(lines)
            return
        # The role may only insert, so the temporary table spells its columns out instead of copying the original's.
        definition = ", ".join(f"{name} {_SPAN_TYPES.get(name, 'text')}" for name in columns)
        cursor.execute(f"CREATE TEMP TABLE staged_{table} ({definition}) ON COMMIT DROP")
        with cursor.copy(f"COPY staged_{table} ({names}) FROM STDIN") as copy:
            copy.write(lines)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM staged_{table} ON CONFLICT DO NOTHING")  # noqa: S608


def _ensure_days(connection: psycopg.Connection, days: set[date]) -> None:
    missing = days - _known_days
    for day in sorted(missing):
        # A transaction of its own: it holds locks that other writers need.
        with connection.transaction():
            connection.execute("SELECT telemetry_ensure_day(%s)", [day])
        _known_days.add(day)


def pool() -> ConnectionPool:
    """Return this process's connections of the insert-only role."""
    global _pool
    if _pool is None:
        with _pool_lock:
            if _pool is None:
                _pool = ConnectionPool(
                    kwargs={**ingest_conninfo(settings.SECRET_KEY), "autocommit": True},
                    min_size=1,
                    max_size=8,
                    max_idle=60,
                    check=ConnectionPool.check_connection,
                    open=True,
                )
    return _pool


def close_pool() -> None:
    """Close this process's connections (tests point it at another database)."""
    global _pool
    with _pool_lock:
        if _pool is not None:
            _pool.close()
            _pool = None
    _known_days.clear()

"""Compute the costs of past spans anew, in small steps that survive a restart.

The work due is a row of telemetry_recomputation. Each step takes some thousand spans of one day, updates those whose
cost differs, marks their traces to be folded again, and moves the row's cursor, all in one transaction.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.actors import SYSTEM, Actor
from apps.core.errors import Conflict, DomainError
from apps.core.tenancy import current_organization_id, scope
from apps.telemetry.models import Recomputation, Touch
from apps.telemetry.prices.book import Book
from apps.telemetry.prices.table import SPECIAL_ATTRIBUTE
from apps.telemetry.prices.usage import special_of
from apps.telemetry.selectors.ingest_settings import CACHE_SECONDS, price_book_for

STEP = 5_000
# Other processes may price by the former prices until their caches expire: what they store must be seen here.
PATIENCE = timedelta(seconds=2 * CACHE_SECONDS)
LONGEST_DAYS = 1100
_STORED = Decimal("0.0000000001")
_REQUESTED_MODEL = "gen_ai.request.model"

_SPANS = """
SELECT started_at, trace_id, span_id, provider, model, attributes ->> %s, attributes -> %s, input_tokens, output_tokens,
  cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd, cost_usd, price_state
FROM telemetry_span
WHERE organization_id = %s AND started_at >= %s AND started_at < %s AND (started_at, trace_id, span_id) > (%s, %s, %s)
  AND (input_tokens > 0 OR output_tokens > 0 OR cache_read_tokens > 0 OR cache_write_tokens > 0
    OR reported_cost_usd IS NOT NULL OR price_state <> 'none')
ORDER BY started_at, trace_id, span_id LIMIT %s
"""
_UPDATE = """
UPDATE telemetry_span AS span SET cost_usd = found.cost, price_state = found.state
FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::numeric[], %s::text[])
  AS found (started_at, trace_id, span_id, cost, state)
WHERE span.organization_id = %s AND span.started_at >= %s AND span.started_at < %s
  AND span.trace_id = found.trace_id AND span.span_id = found.span_id AND span.started_at = found.started_at
"""


class _Row(NamedTuple):
    started_at: datetime
    trace_id: str
    span_id: str
    provider: str | None
    model: str | None
    request_model: str | None
    special: Any
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    reported_cost_usd: Decimal | None
    cost_usd: Decimal | None
    price_state: str


def recompute_costs(*, actor: Actor, since: date, until: date) -> Recomputation:
    """Ask for the costs of some days (both included) to be computed anew; a worker does it.

    Raises Conflict while another recomputation of the organization is open.
    """
    if until < since:
        raise DomainError("The last day is before the first.", code="days_reversed", field="until")
    if (until - since).days >= LONGEST_DAYS:
        raise DomainError(f"Choose at most {LONGEST_DAYS} days.", code="too_many_days", field="since")
    with transaction.atomic():
        open_one = Recomputation.objects.select_for_update().filter(finished_at=None).first()
        if open_one is not None:
            raise Conflict(
                f"The costs of {open_one.since} to {open_one.until} are still being recomputed.",
                code="recomputation_open",
            )
        work = Recomputation.objects.create(
            organization_id=current_organization_id(),
            since=since,
            until=until,
            next_day=since,
            requested_by=actor.name[:300],
        )
        record(
            actor=actor,
            action="recomputation.requested",
            target_kind="recomputation",
            target_id=work.id,
            target_name=str(work),
            details={"since": str(since), "until": str(until)},
        )
    return work


def recompute_step(organization_id: UUID) -> bool:
    """Do one step of the organization's open recomputation; return whether there is more to do now."""
    # Before the transaction: the book reads in one of its own where its cache has expired.
    book = price_book_for(organization_id)
    with scope(organization_id), transaction.atomic():
        work = (
            Recomputation.objects.select_for_update(skip_locked=True)
            .filter(finished_at=None, requested_at__lte=timezone.now() - PATIENCE)
            .first()
        )
        if work is None:
            return False
        rows = _next_rows(work)
        _reprice(work, rows, book)
        _advance(work, rows)
        work.save()
        return work.finished_at is None


def _bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def _next_rows(work: Recomputation) -> list[_Row]:
    start, end = _bounds(work.next_day)
    reached, trace_id, span_id = work.cursor or (start.isoformat(), "", "")
    # Stated twice, so that the index on the start is entered where the last step ended.
    reached_at = datetime.fromisoformat(reached)
    with connection.cursor() as cursor:
        cursor.execute(
            _SPANS,
            [
                *(_REQUESTED_MODEL, SPECIAL_ATTRIBUTE, work.organization_id, reached_at, end),
                *(reached_at, trace_id, span_id, STEP),
            ],
        )
        return [_Row(*row) for row in cursor.fetchall()]


def _reprice(work: Recomputation, rows: list[_Row], book: Book) -> None:
    changed: list[tuple[_Row, Decimal | None, str]] = []
    for row in rows:
        amount, state = _price(row, book)
        if amount != row.cost_usd or state != row.price_state:
            changed.append((row, amount, state))
            work.difference_usd += (amount or Decimal(0)) - (row.cost_usd or Decimal(0))
    work.seen_count += len(rows)
    work.changed_count += len(changed)
    if not changed:
        return
    columns: list[list[Any]] = [
        [row.started_at for row, _, _ in changed],
        [row.trace_id for row, _, _ in changed],
        [row.span_id for row, _, _ in changed],
        [amount for _, amount, _ in changed],
        [state for _, _, state in changed],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, [*columns, work.organization_id, *_bounds(work.next_day)])
    first: dict[str, datetime] = {}
    for row, _, _ in changed:
        first.setdefault(row.trace_id, row.started_at)
    Touch.objects.bulk_create(
        Touch(organization_id=work.organization_id, trace_id=trace_id, started_at=at) for trace_id, at in first.items()
    )


def _price(row: _Row, book: Book) -> tuple[Decimal | None, str]:
    """Price a stored span as ingest would price it now, rounded as the column rounds."""
    special = msgspec.json.decode(row.special) if isinstance(row.special, str | bytes) else row.special
    priced = book.cost_of(
        row.provider,
        row.model,
        row.started_at,
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.reasoning_tokens,
        request_model=row.request_model,
        special=special_of({SPECIAL_ATTRIBUTE: special}) if special else None,
        reported=row.reported_cost_usd,
    )
    return None if priced.amount is None else round_cost(priced.amount), priced.state


def round_cost(amount: Decimal) -> Decimal:
    """Round as PostgreSQL does when it stores the amount."""
    return amount.quantize(_STORED, rounding="ROUND_HALF_UP")


def _advance(work: Recomputation, rows: list[_Row]) -> None:
    if len(rows) == STEP:
        last = rows[-1]
        work.cursor = [last.started_at.isoformat(), last.trace_id, last.span_id]
        return
    work.cursor = None
    work.next_day += timedelta(days=1)
    if work.next_day > work.until:
        work.finished_at = timezone.now()
        record(
            actor=SYSTEM,
            action="recomputation.finished",
            target_kind="recomputation",
            target_id=work.id,
            target_name=str(work),
            details={
                "seen_count": work.seen_count,
                "changed_count": work.changed_count,
                "difference_usd": str(work.difference_usd),
            },
        )

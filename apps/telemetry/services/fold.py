"""Fold spans into traces and tasks: recompute and replace, so that nothing can count twice.

The work due is the rows of telemetry_touch, written with the spans. One folder of an organization works at a time (an
advisory lock), so that an older picture can never replace a newer one; organizations fold side by side.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import starmap
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.core.tenancy import scope
from apps.telemetry.rules.facts import SpanFacts, TraceFacts
from apps.telemetry.rules.fold import fold_trace
from apps.telemetry.services.folded import fold_tasks, mark_hours, microseconds, moment, save_traces

BATCH = 1000
# The spans of a trace in one request lie at most so far apart; it bounds the partitions that folding reads.
WIDEST_BATCH = timedelta(days=7)
# First and last start (microseconds since 1970), environment and version of the latest.
Sight = tuple[int, int, str | None, str | None]

_SPAN_COLUMNS = ", ".join(
    "(extract(epoch FROM started_at) * 1000000)::bigint" if name == "started_us" else name
    for name in SpanFacts.__struct_fields__
)


def fold_pending(organization_id: UUID, *, batches: int = 1) -> int | None:
    """Fold what is due in an organization, at most `batches` times BATCH marks; return how many marks were folded.

    None: another process folds the same organization.
    """
    folded = 0
    for _ in range(batches):
        with scope(organization_id), transaction.atomic():
            if not lock_organization(organization_id):
                return folded or None
            count = _fold_batch(organization_id)
        folded += count
        if count < BATCH:
            break
    return folded


def lock_organization(organization_id: UUID) -> bool:
    """Take the organization's folding lock until the end of the transaction; False if another process holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"fold {organization_id}"])
        return cursor.fetchone()[0]


def _fold_batch(organization_id: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM telemetry_touch WHERE organization_id = %s AND id IN ("
            " SELECT id FROM telemetry_touch WHERE organization_id = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
            ") RETURNING trace_id, task_id, started_at",
            [organization_id, organization_id, BATCH],
        )
        touches = cursor.fetchall()
        if not touches:
            return 0
        now_us = microseconds(timezone.now())
        task_ids = {task for _, task, _ in touches if task}
        hours: set[int] = set()
        assigned: dict[str, list[TraceFacts]] = {}
        if trace_ids := sorted({trace for trace, _, _ in touches if trace}):
            starts = [at for trace, _, at in touches if trace]
            by_trace: dict[str, dict[str, SpanFacts]] = {}
            for span in _load_spans(cursor, organization_id, trace_ids, min(starts), max(starts)):
                group = by_trace.setdefault(span.trace_id, {})
                if (known := group.setdefault(span.span_id, span)) is not span and _says_more(span, known):
                    group[span.span_id] = span
            traces = [fold_trace(list(group.values()), now_us) for group in by_trace.values()]
            assigned, affected, hours = save_traces(cursor, organization_id, traces)
            task_ids |= affected
            _save_sightings(cursor, organization_id, traces)
        hours |= fold_tasks(cursor, organization_id, task_ids, assigned, now_us)
        mark_hours(cursor, organization_id, hours)
    return len(touches)


def _load_spans(
    cursor, organization_id: UUID, trace_ids: list[str], first: datetime, last: datetime
) -> Iterator[SpanFacts]:
    # What is known of these traces already may lie further back, or ahead, than what came now.
    cursor.execute(
        "SELECT least(%s, min(started_at)), greatest(%s, max(last_at)) FROM telemetry_trace "
        "WHERE organization_id = %s AND trace_id = ANY(%s)",
        [first - WIDEST_BATCH, last + WIDEST_BATCH, organization_id, trace_ids],
    )
    first, last = cursor.fetchone()
    cursor.execute(
        # The start in microseconds spares a datetime per span.
        f"SELECT {_SPAN_COLUMNS} FROM telemetry_span "  # noqa: S608 - the columns are the struct's
        "WHERE organization_id = %s AND trace_id = ANY(%s) AND started_at BETWEEN %s AND %s",
        [organization_id, trace_ids, first, last],
    )
    return starmap(SpanFacts, cursor.fetchall())


def _says_more(span: SpanFacts, known: SpanFacts) -> bool:
    """Tell which of two reports of the same step counts: the one that has ended, of those the one that began first."""
    return (span.duration_us is None, span.started_us) < (known.duration_us is None, known.started_us)


def _save_sightings(cursor, organization_id: UUID, traces: list[TraceFacts]) -> None:
    """Remember which agents were seen, when, in which environment and version."""
    sightings: dict[str, Sight] = {}
    for trace in sorted(traces, key=lambda trace: trace.last_us):
        for agent in trace.agents:
            first, _, environment, version = sightings.get(agent, (trace.started_us, 0, None, None))
            sightings[agent] = (
                min(first, trace.started_us),
                trace.last_us,
                trace.environment or environment,
                (trace.agent_version if agent == trace.agent else None) or version,
            )
    rows = [
        (organization_id, agent, agent, environment, version, moment(first), moment(last))
        for agent, (first, last, environment, version) in sorted(sightings.items())
    ]
    if not rows:
        return
    values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(rows))
    cursor.execute(
        "INSERT INTO telemetry_sighting AS known "  # noqa: S608 - placeholders only
        "(organization_id, agent, sent_name, environment, agent_version, first_seen_at, last_seen_at) "
        f"VALUES {values} ON CONFLICT (organization_id, agent) DO UPDATE SET "
        "environment = CASE WHEN EXCLUDED.last_seen_at >= known.last_seen_at "
        "THEN coalesce(EXCLUDED.environment, known.environment) ELSE known.environment END, "
        "agent_version = CASE WHEN EXCLUDED.last_seen_at >= known.last_seen_at "
        "THEN coalesce(EXCLUDED.agent_version, known.agent_version) ELSE known.agent_version END, "
        "first_seen_at = least(known.first_seen_at, EXCLUDED.first_seen_at), "
        "last_seen_at = greatest(known.last_seen_at, EXCLUDED.last_seen_at)",
        [value for row in rows for value in row],
    )

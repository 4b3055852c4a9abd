"""Fold spans into traces and tasks: recompute and replace, so that nothing can count twice.

The work due is the rows of telemetry_touch, written with the spans. One folder of an organization works at a time (an
advisory lock), so that an older picture can never replace a newer one; organizations fold side by side.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from apps.core.tenancy import scope
from apps.telemetry.rules.facts import SpanFacts, TaskFacts, TraceFacts
from apps.telemetry.rules.fold import fold_task, fold_trace

BATCH = 1000
# A trace's spans lie at most so far apart; it bounds the partitions that folding reads.
WIDEST_TRACE = timedelta(days=7)
# How long a task may wait for a person before a trace of the same conversation counts as a task of its own.
LONGEST_WAIT = timedelta(days=30)
# First and last start (microseconds since 1970), environment and version of the latest.
Sight = tuple[int, int, str | None, str | None]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SPAN_FIELDS = [name for name in SpanFacts.__struct_fields__ if name != "started_us"]
_OUTCOME_FIELDS = ("evaluated_success", "user_success", "user_score", "business_value_usd", "outcome_name")


def fold_pending(organization_id: UUID, *, batches: int = 1) -> int:
    """Fold what is due in an organization, at most `batches` times BATCH marks; return how many marks were folded.

    Returns 0 at once while another process folds the same organization.
    """
    folded = 0
    for _ in range(batches):
        with scope(organization_id), transaction.atomic():
            if not lock_organization(organization_id):
                return folded
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
        trace_ids = sorted({trace for trace, _, _ in touches if trace})
        starts = [at for trace, _, at in touches if trace]
        traces: list[TraceFacts] = []
        hours: set[int] = set()
        sightings: dict[str, Sight] = {}
        if trace_ids:
            spans = _load_spans(cursor, organization_id, trace_ids, min(starts), max(starts))
            by_trace: dict[str, list[SpanFacts]] = {}
            for span in spans:
                by_trace.setdefault(span.trace_id, []).append(span)
                hours.add(span.started_us // 3_600_000_000)
                _sight(sightings, span)
            traces = [fold_trace(group) for group in by_trace.values()]
        assigned = _assign_tasks(cursor, organization_id, traces)
        _save_traces(cursor, organization_id, traces, assigned)
        task_ids = sorted(set(assigned.values()) | {task for _, task, _ in touches if task})
        hours |= _fold_tasks(cursor, organization_id, task_ids)
        _save_sightings(cursor, organization_id, sightings)
        mark_hours(cursor, organization_id, [EPOCH + timedelta(hours=hour) for hour in hours])
    return len(touches)


def _load_spans(
    cursor, organization_id: UUID, trace_ids: list[str], first: datetime, last: datetime
) -> list[SpanFacts]:
    columns = ", ".join(_SPAN_FIELDS)
    cursor.execute(
        # The start in microseconds spares a datetime per span. A span sent again with another start stays one step.
        f"SELECT DISTINCT ON (trace_id, span_id) {columns}, "  # noqa: S608 - the columns are the struct's
        "(extract(epoch FROM started_at) * 1000000)::bigint AS started_us "
        "FROM telemetry_span WHERE organization_id = %s AND trace_id = ANY(%s) "
        "AND started_at BETWEEN %s AND %s ORDER BY trace_id, span_id, received_at, started_at",
        [organization_id, trace_ids, first - WIDEST_TRACE, last + WIDEST_TRACE],
    )
    names = [*_SPAN_FIELDS, "started_us"]
    return [SpanFacts(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _sight(sightings: dict[str, Sight], span: SpanFacts) -> None:
    seen = sightings.get(span.agent)
    if seen is None:
        sightings[span.agent] = (span.started_us, span.started_us, span.environment, span.agent_version)
    else:
        latest = span if span.started_us >= seen[1] else None
        sightings[span.agent] = (
            min(seen[0], span.started_us),
            max(seen[1], span.started_us),
            (latest.environment if latest else None) or seen[2],
            (latest.agent_version if latest else None) or seen[3],
        )


def _assign_tasks(cursor, organization_id: UUID, traces: list[TraceFacts]) -> dict[str, str]:
    """Return the task of each trace: stated, kept from before, the waiting task of its conversation, or its own."""
    assigned = {trace.trace_id: trace.explicit_task_id for trace in traces if trace.explicit_task_id}
    rest = [trace for trace in traces if trace.trace_id not in assigned]
    if not rest:
        return {key: value for key, value in assigned.items() if value}
    cursor.execute(
        "SELECT trace_id, task_id FROM telemetry_trace WHERE organization_id = %s AND trace_id = ANY(%s)",
        [organization_id, [trace.trace_id for trace in rest]],
    )
    before = dict(cursor.fetchall())
    conversations = sorted({trace.conversation_id for trace in rest if trace.conversation_id})
    # (conversation, agent) → traces that stopped for a person: start, end, task.
    waiting: dict[tuple[str, str], list[tuple[int, str]]] = {}
    # Traces that came before the one they continue was folded: their task is their own so far.
    alone: dict[tuple[str, str], list[tuple[int, str]]] = {}
    if conversations:
        cursor.execute(
            "SELECT conversation_id, agent, status, trace_id, task_id, "
            "(extract(epoch FROM started_at) * 1000000)::bigint FROM telemetry_trace "
            "WHERE organization_id = %s AND conversation_id = ANY(%s) AND started_at > %s AND explicit_task_id IS NULL",
            [organization_id, conversations, timezone.now() - timedelta(days=3660)],
        )
        folding = {trace.trace_id for trace in rest}
        for conversation, agent, status, trace_id, task_id, started in cursor.fetchall():
            if trace_id in folding:
                continue
            if status == "waiting":
                waiting.setdefault((conversation, agent), []).append((started, task_id))
            elif trace_id == task_id:
                alone.setdefault((conversation, agent), []).append((started, trace_id))
    wait_us = LONGEST_WAIT // timedelta(microseconds=1)
    for trace in sorted(rest, key=lambda trace: trace.started_us):
        key = (trace.conversation_id or "", trace.agent)
        kept = before.get(trace.trace_id)
        earlier = [
            (started, task)
            for started, task in waiting.get(key, ())
            if started < trace.started_us < started + wait_us and task != trace.trace_id
        ]
        if kept is not None and kept != trace.trace_id:
            task_id = kept
        elif trace.conversation_id and earlier:
            task_id = max(earlier)[1]
        else:
            task_id = kept or trace.trace_id
        assigned[trace.trace_id] = task_id
        if trace.conversation_id and trace.status == "waiting":
            waiting.setdefault(key, []).append((trace.started_us, task_id))
            later = [entry for entry in alone.get(key, ()) if trace.started_us < entry[0] < trace.started_us + wait_us]
            if later:
                _, continuation = min(later)
                _move_trace(cursor, organization_id, continuation, task_id)
    return {key: value for key, value in assigned.items() if value}


def _move_trace(cursor, organization_id: UUID, trace_id: str, task_id: str) -> None:
    """Join a trace that was folded too early to the task that it continues; the task of its own goes."""
    cursor.execute(
        "UPDATE telemetry_trace SET task_id = %s WHERE organization_id = %s AND trace_id = %s",
        [task_id, organization_id, trace_id],
    )
    cursor.execute(
        "DELETE FROM telemetry_task WHERE organization_id = %s AND task_id = %s RETURNING started_at",
        [organization_id, trace_id],
    )
    mark_hours(cursor, organization_id, [row[0] for row in cursor.fetchall()])


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def _upsert(cursor, table: str, keys: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Insert rows, replacing those that are there; one statement for all."""
    if not rows:
        return
    columns = list(rows[0])
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name not in keys)
    values = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(rows))
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} "  # noqa: S608 - names from this module
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}",
        [value for row in rows for value in row.values()],
    )


def _save_traces(cursor, organization_id: UUID, traces: list[TraceFacts], assigned: dict[str, str]) -> None:
    rows = []
    for trace in sorted(traces, key=lambda trace: trace.trace_id):
        row = msgspec.structs.asdict(trace)
        row["started_at"] = _moment(row.pop("started_us"))
        row["ended_at"] = _moment(row.pop("ended_us"))
        rows.append({"organization_id": organization_id, "task_id": assigned[trace.trace_id], **row})
    _upsert(cursor, "telemetry_trace", ("organization_id", "trace_id"), rows)


def _fold_tasks(cursor, organization_id: UUID, task_ids: list[str]) -> set[int]:
    """Recompute tasks from their traces and outcomes; return the hours (since 1970) whose rollups no longer hold."""
    if not task_ids:
        return set()
    names = [name for name in TraceFacts.__struct_fields__ if name not in ("started_us", "ended_us")]
    cursor.execute(
        f"SELECT task_id, {', '.join(names)}, "  # noqa: S608 - the columns are the struct's
        "(extract(epoch FROM started_at) * 1000000)::bigint, (extract(epoch FROM ended_at) * 1000000)::bigint "
        "FROM telemetry_trace WHERE organization_id = %s AND task_id = ANY(%s)",
        [organization_id, task_ids],
    )
    by_task: dict[str, list[TraceFacts]] = {}
    keys = [*names, "started_us", "ended_us"]
    for task_id, *values in cursor.fetchall():
        by_task.setdefault(task_id, []).append(TraceFacts(**dict(zip(keys, values, strict=True))))
    now_us = (timezone.now() - EPOCH) // timedelta(microseconds=1)
    tasks = [fold_task(task_id, traces, now_us) for task_id, traces in sorted(by_task.items())]
    outcomes = _outcomes(cursor, organization_id, tasks)
    cursor.execute(
        "SELECT DISTINCT (extract(epoch FROM started_at) / 3600)::bigint FROM "
        "(SELECT date_trunc('hour', started_at) AS started_at FROM telemetry_task "
        "WHERE organization_id = %s AND task_id = ANY(%s)) AS before",
        [organization_id, task_ids],
    )
    hours = {int(row[0]) for row in cursor.fetchall()}
    rows = []
    for task in tasks:
        row = msgspec.structs.asdict(task)
        row["started_at"] = _moment(row.pop("started_us"))
        row["ended_at"] = _moment(row.pop("ended_us"))
        rows.append(
            {
                "organization_id": organization_id,
                **row,
                **outcomes.get(task.task_id, dict.fromkeys((*_OUTCOME_FIELDS, "outcome_at"))),
                "folded_at": timezone.now(),
            }
        )
        hours.add(task.started_us // 3_600_000_000)
    _upsert(cursor, "telemetry_task", ("organization_id", "task_id"), rows)
    return hours


def _outcomes(cursor, organization_id: UUID, tasks: Iterable[TaskFacts]) -> dict[str, dict[str, Any]]:
    """Return what was told about each task; the latest statement on each question counts."""
    task_of = {trace_id: task.task_id for task in tasks for trace_id in task.trace_ids}
    task_ids = set(task_of.values())
    cursor.execute(
        f"SELECT task_id, trace_id, {', '.join(_OUTCOME_FIELDS)}, recorded_at "  # noqa: S608 - names from this module
        "FROM telemetry_outcome WHERE organization_id = %s AND (task_id = ANY(%s) OR trace_id = ANY(%s)) "
        "ORDER BY recorded_at, id",
        [organization_id, sorted(task_ids), sorted(task_of)],
    )
    found: dict[str, dict[str, Any]] = {}
    for task_id, trace_id, *values, recorded_at in cursor.fetchall():
        key = task_id if task_id in task_ids else task_of.get(trace_id)
        if key is None:
            continue
        told = found.setdefault(key, dict.fromkeys((*_OUTCOME_FIELDS, "outcome_at")))
        for name, value in zip(_OUTCOME_FIELDS, values, strict=True):
            if value is not None:
                told[name] = value
        told["outcome_at"] = recorded_at
    return found


def _save_sightings(cursor, organization_id: UUID, sightings: dict[str, Sight]) -> None:
    if not sightings:
        return
    rows = [
        (organization_id, agent, agent, environment, version, _moment(first), _moment(last))
        for agent, (first, last, environment, version) in sorted(sightings.items())
    ]
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


def mark_hours(cursor, organization_id: UUID, moments: Iterable[datetime]) -> None:
    """Mark the hours of these moments: their rollups no longer hold."""
    hours = sorted({moment.replace(minute=0, second=0, microsecond=0) for moment in moments})
    if hours:
        cursor.execute(
            "INSERT INTO telemetry_stalehour (organization_id, hour, marked_at) "
            "SELECT %s, unnest(%s::timestamptz[]), now() ON CONFLICT DO NOTHING",
            [organization_id, hours],
        )

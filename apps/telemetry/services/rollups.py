"""Sum up hours: recompute and replace, from the tasks and traces as they stand.

Recomputing an hour costs as much as the hour has tasks, so a busy hour is recomputed less often: it is due when its
mark is so old that recomputing takes at most about a tenth of the time (PAUSE_PER_TASK_US).
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from apps.core.ids import uuid7
from apps.core.tenancy import scope
from apps.telemetry.rules.sums import TASK_FIELDS, Sums
from apps.telemetry.services.fold import lock_organization
from apps.telemetry.services.folded import upsert

HOURS = 48
# A task takes about 10 microseconds to add.
PAUSE_PER_TASK_US = 100
# A reader waits for hours of so many tasks; larger ones are the worker's.
READER_TASKS = 5_000
_DIMENSIONS = ("agent", "agent_version", "environment", "task_type", "model")

_DUE = """
    SELECT hour FROM telemetry_stalehour AS stale
    WHERE organization_id = %s AND marked_at + interval '1 microsecond' * %s * (
        SELECT coalesce(sum(task_count), 0) FROM telemetry_taskhour AS summed
        WHERE summed.organization_id = stale.organization_id AND summed.hour = stale.hour
    )::float8 <= now()
    ORDER BY hour DESC LIMIT %s
"""
_DUE_FOR_READER = """
    SELECT hour FROM telemetry_stalehour AS stale
    WHERE organization_id = %s AND %s > (
        SELECT count(*) FROM (
            SELECT FROM telemetry_task AS task WHERE task.organization_id = stale.organization_id
            AND task.started_at >= stale.hour AND task.started_at < stale.hour + interval '1 hour' LIMIT %s
        ) AS few
    )
    ORDER BY hour DESC LIMIT %s
"""


def roll_up_pending(organization_id: UUID, *, hours: int = HOURS, is_reader: bool = False) -> int | None:
    """Replace the rollups of the hours that are due, the latest first; return how many hours.

    A reader replaces every stale hour that is small, due or not. None: another process holds the lock.
    """
    with scope(organization_id), transaction.atomic():
        if not lock_organization(organization_id):
            return None
        with connection.cursor() as cursor:
            if is_reader:
                cursor.execute(_DUE_FOR_READER, [organization_id, READER_TASKS, READER_TASKS, hours])
            else:
                cursor.execute(_DUE, [organization_id, PAUSE_PER_TASK_US, hours])
            due = [row[0] for row in cursor.fetchall()]
            if due:
                # The marks are written under the same lock: none is lost between reading and deleting.
                cursor.execute(
                    "DELETE FROM telemetry_stalehour WHERE organization_id = %s AND hour = ANY(%s)",
                    [organization_id, due],
                )
            for hour in due:
                _roll_up_tasks(cursor, organization_id, hour)
                _roll_up_usage(cursor, organization_id, hour)
    return len(due)


def _roll_up_tasks(cursor, organization_id: UUID, hour: datetime) -> None:
    cursor.execute(
        f"SELECT {', '.join([*_DIMENSIONS, *TASK_FIELDS])} FROM telemetry_task "  # noqa: S608 - names from this module
        "WHERE organization_id = %s AND started_at >= %s AND started_at < %s",
        [organization_id, hour, hour + timedelta(hours=1)],
    )
    groups: dict[tuple, Sums] = {}
    for row in cursor.fetchall():
        group = groups.setdefault(row[: len(_DIMENSIONS)], Sums())
        group.add_task(dict(zip(TASK_FIELDS, row[len(_DIMENSIONS) :], strict=True)))
    cursor.execute("DELETE FROM telemetry_taskhour WHERE organization_id = %s AND hour = %s", [organization_id, hour])
    upsert(
        cursor,
        "telemetry_taskhour",
        ("id",),
        [
            {
                "id": uuid7(),
                "organization_id": organization_id,
                "hour": hour,
                **dict(zip(_DIMENSIONS, key, strict=True)),
                **group.stored(),
            }
            for key, group in groups.items()
        ],
    )


def _roll_up_usage(cursor, organization_id: UUID, hour: datetime) -> None:
    cursor.execute("DELETE FROM telemetry_usagehour WHERE organization_id = %s AND hour = %s", [organization_id, hour])
    cursor.execute(
        "INSERT INTO telemetry_usagehour (id, organization_id, hour, agent, agent_version, environment, provider,"
        " model, tool, call_count, error_count, unpriced_count, input_tokens, output_tokens, cost_usd, duration_us) "
        "SELECT gen_random_uuid(), %s, %s, used.agent, used.agent_version, used.environment, used.provider, used.model,"
        " used.tool, sum(call_count), sum(used.error_count), sum(used.unpriced_count), sum(used.input_tokens),"
        " sum(used.output_tokens), sum(used.cost_usd), sum(used.duration_us) "
        "FROM telemetry_trace AS trace, jsonb_to_recordset(trace.usage) AS used (agent text, agent_version text,"
        " environment text, provider text, model text, tool text, call_count int, error_count int, unpriced_count int,"
        " input_tokens bigint, output_tokens bigint, cost_usd numeric, duration_us bigint) "
        "WHERE trace.organization_id = %s AND trace.started_at >= %s AND trace.started_at < %s "
        "GROUP BY used.agent, used.agent_version, used.environment, used.provider, used.model, used.tool",
        [organization_id, hour, organization_id, hour, hour + timedelta(hours=1)],
    )

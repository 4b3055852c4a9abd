"""Sum up hours: recompute and replace, from the tasks and spans as they stand."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from apps.core.tenancy import scope
from apps.telemetry.models import TaskHour
from apps.telemetry.rules.sums import TASK_FIELDS, Sums
from apps.telemetry.services.fold import lock_organization

HOURS = 48
_DIMENSIONS = ("agent", "agent_version", "environment", "task_type", "model")


def roll_up_pending(organization_id: UUID, *, hours: int = HOURS) -> int:
    """Replace the rollups of the hours that no longer hold, the latest first; return how many hours."""
    with scope(organization_id), transaction.atomic():
        if not lock_organization(organization_id):
            return 0
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM telemetry_stalehour WHERE organization_id = %s AND hour IN ("
                " SELECT hour FROM telemetry_stalehour WHERE organization_id = %s ORDER BY hour DESC LIMIT %s"
                ") RETURNING hour",
                [organization_id, organization_id, hours],
            )
            stale = [row[0] for row in cursor.fetchall()]
            for hour in stale:
                _roll_up_tasks(cursor, organization_id, hour)
                _roll_up_usage(cursor, organization_id, hour)
    return len(stale)


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
    TaskHour.objects.bulk_create(
        TaskHour(
            organization_id=organization_id,
            hour=hour,
            **dict(zip(_DIMENSIONS, key, strict=True)),
            **group.stored(),
        )
        for key, group in groups.items()
    )


def _roll_up_usage(cursor, organization_id: UUID, hour: datetime) -> None:
    cursor.execute("DELETE FROM telemetry_usagehour WHERE organization_id = %s AND hour = %s", [organization_id, hour])
    cursor.execute(
        "INSERT INTO telemetry_usagehour (id, organization_id, hour, agent, agent_version, environment, provider,"
        " model, tool, call_count, error_count, unpriced_count, input_tokens, output_tokens, cost_usd, duration_us) "
        "SELECT gen_random_uuid(), %s, %s, agent, agent_version, environment, provider, model, tool, count(*),"
        " count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE price_state = 'unpriced'),"
        " coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cost_usd), 0),"
        " coalesce(sum(duration_us), 0) "
        "FROM telemetry_span WHERE organization_id = %s AND started_at >= %s AND started_at < %s"
        " AND kind IN ('model', 'embedding', 'tool', 'retrieval') AND NOT is_usage_summary "
        "GROUP BY agent, agent_version, environment, provider, model, tool",
        [organization_id, hour, organization_id, hour, hour + timedelta(hours=1)],
    )

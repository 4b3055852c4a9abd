"""Sum up hours: recompute and replace, from the tasks and spans as they stand."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.core.tenancy import scope
from apps.telemetry.models import TaskHour
from apps.telemetry.rules.histogram import Histogram
from apps.telemetry.services.fold import lock_organization

HOURS = 48
_DIMENSIONS = ("agent", "agent_version", "environment", "task_type", "model")
_TASK_COLUMNS = (
    *_DIMENSIONS,
    "status",
    "error_category",
    "escalation_reason",
    "evaluated_success",
    "user_success",
    "business_value_usd",
    "cost_usd",
    "unpriced_count",
    "hidden_error_count",
    "input_tokens",
    "output_tokens",
    "latency_us",
    "model_us",
    "tool_us",
    "human_us",
    "queue_us",
    "own_us",
)


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
        f"SELECT {', '.join(_TASK_COLUMNS)} FROM telemetry_task "  # noqa: S608 - names from this module
        "WHERE organization_id = %s AND started_at >= %s AND started_at < %s",
        [organization_id, hour, hour + timedelta(hours=1)],
    )
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in cursor.fetchall():
        task = dict(zip(_TASK_COLUMNS, row, strict=True))
        groups.setdefault(row[: len(_DIMENSIONS)], []).append(task)
    cursor.execute("DELETE FROM telemetry_taskhour WHERE organization_id = %s AND hour = %s", [organization_id, hour])
    TaskHour.objects.bulk_create(
        TaskHour(
            organization_id=organization_id,
            hour=hour,
            **dict(zip(_DIMENSIONS, key, strict=True)),
            **sum_tasks(tasks),
        )
        for key, tasks in groups.items()
    )


def sum_tasks(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of a group of tasks (the columns of TaskHour without its dimensions)."""
    statuses = Counter(task["status"] for task in tasks)
    judged = [task["evaluated_success"] for task in tasks if task["evaluated_success"] is not None]
    feedback = [task["user_success"] for task in tasks if task["user_success"] is not None]
    latencies = [task["latency_us"] for task in tasks if task["latency_us"] is not None]
    costs = [task["cost_usd"] for task in tasks if task["cost_usd"] is not None]
    valued = [task for task in tasks if task["business_value_usd"] is not None]
    latency_buckets, latency_counts = Histogram(latencies).arrays()
    # Millionths of a dollar: costs of single tasks are small, and only positive values have a logarithm.
    cost_buckets, cost_counts = Histogram(float(cost) * 1e6 for cost in costs).arrays()
    return {
        "task_count": len(tasks),
        "succeeded_count": statuses["succeeded"],
        "failed_count": statuses["failed"],
        "abandoned_count": statuses["abandoned"],
        "open_count": statuses["running"] + statuses["waiting"],
        "judged_count": len(judged),
        "judged_success_count": sum(judged),
        "feedback_count": len(feedback),
        "feedback_success_count": sum(feedback),
        "escalated_count": sum(1 for task in tasks if task["escalation_reason"]),
        "by_reason": dict(Counter(task["escalation_reason"] for task in tasks if task["escalation_reason"])),
        "by_error": dict(Counter(task["error_category"] for task in tasks if task["status"] == "failed")),
        "hidden_error_count": sum(1 for task in tasks if task["hidden_error_count"]),
        "priced_count": len(costs),
        "unpriced_count": sum(1 for task in tasks if task["unpriced_count"]),
        "cost_usd": sum(costs, Decimal(0)),
        "valued_count": len(valued),
        "value_usd": sum((task["business_value_usd"] for task in valued), Decimal(0)),
        "valued_cost_usd": sum((task["cost_usd"] or Decimal(0) for task in valued), Decimal(0)),
        "latency_us": sum(latencies),
        "latency_buckets": latency_buckets,
        "latency_counts": latency_counts,
        "cost_buckets": cost_buckets,
        "cost_counts": cost_counts,
        **{
            name: sum(task[name] for task in tasks)
            for name in ("input_tokens", "output_tokens", "model_us", "tool_us", "human_us", "queue_us", "own_us")
        },
    }


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

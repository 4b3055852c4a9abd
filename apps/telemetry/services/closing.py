"""End what time alone ends: traces whose root never comes, tasks that fell silent, waits that nobody answers."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.core.tenancy import scope
from apps.telemetry.rules.fold import ABANDONED_AFTER_US, ROOT_AWAITED_US, WAIT_ABANDONED_AFTER_US

# Folding again is all that is needed: it knows the time. A task is marked once per limit that it passes.
_SILENT = """
    INSERT INTO telemetry_touch (organization_id, trace_id, started_at)
    SELECT trace.organization_id, trace.trace_id, trace.started_at
    FROM telemetry_task AS task
    JOIN telemetry_trace AS trace
        ON trace.organization_id = task.organization_id AND trace.task_id = task.task_id
    WHERE task.organization_id = %(organization)s AND task.status IN ('running', 'waiting')
    AND (
        (trace.status = 'running' AND trace.last_at < %(root)s AND task.folded_at <= trace.last_at + %(awaited)s)
        OR CASE task.status WHEN 'running' THEN %(silent)s ELSE %(unanswered)s END > (
            SELECT max(last_at) FROM telemetry_trace AS attempt
            WHERE attempt.organization_id = task.organization_id AND attempt.task_id = task.task_id
        )
    )
    AND NOT EXISTS (
        SELECT FROM telemetry_touch AS marked
        WHERE marked.organization_id = trace.organization_id AND marked.trace_id = trace.trace_id
    )
    LIMIT 10000
"""


def mark_silent_tasks(organization_id: UUID) -> int:
    """Mark for folding what passed a limit of silence; return how many traces."""
    now = timezone.now()
    awaited, silent, unanswered = (
        timedelta(microseconds=limit) for limit in (ROOT_AWAITED_US, ABANDONED_AFTER_US, WAIT_ABANDONED_AFTER_US)
    )
    values: dict[str, Any] = {
        "organization": organization_id,
        "root": now - awaited,
        "awaited": awaited,
        "silent": now - silent,
        "unanswered": now - unanswered,
    }
    with scope(organization_id), connection.cursor() as cursor:
        cursor.execute(_SILENT, values)
        return cursor.rowcount

"""Record what came of a task, however late: the metrics are corrected."""

from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import DomainError
from apps.core.tenancy import current_organization_id
from apps.telemetry.models import Outcome, Task, Touch

LONGEST_COMMENT = 2000


def record_outcomes(*, actor: Actor, outcomes: list[Outcome], source: str) -> int:
    """Store many statements at once (an import), with one entry in the audit trail; return how many.

    The outcomes name their task or trace and have no organization yet. Their tasks are folded with the next spans.
    """
    organization_id = current_organization_id()
    for outcome in outcomes:
        outcome.organization_id = organization_id
        outcome.source = source
    with transaction.atomic():
        Outcome.objects.bulk_create(outcomes, batch_size=1000)
        Touch.objects.bulk_create(
            Touch(organization_id=organization_id, task_id=outcome.task_id, trace_id=outcome.trace_id)
            for outcome in outcomes
        )
        record(
            actor=actor,
            action="outcome.imported",
            target_kind="organization",
            target_id=organization_id,
            target_name=source,
            details={"count": len(outcomes)},
        )
    return len(outcomes)


def record_outcome(
    *,
    actor: Actor,
    task_id: str | None = None,
    trace_id: str | None = None,
    evaluated_success: bool | None = None,
    user_success: bool | None = None,
    user_score: float | None = None,
    business_value_usd: Decimal | None = None,
    outcome_name: str | None = None,
    comment: str | None = None,
    source: str = "api",
) -> Outcome:
    """Store a statement about a task or trace of the organization in scope and mark it for folding.

    The task may not be known yet: the statement waits for it. Raises DomainError for one that says nothing.
    """
    stated: dict[str, Any] = {
        "evaluated_success": evaluated_success,
        "user_success": user_success,
        "user_score": user_score,
        "business_value_usd": business_value_usd,
        "outcome_name": outcome_name,
        "comment": comment,
    }
    if all(value is None for value in stated.values()):
        raise DomainError("The outcome says nothing: give at least one of its fields.", code="outcome_empty")
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise DomainError(f"Write at most {LONGEST_COMMENT} characters.", code="too_long", field="comment")
    organization_id = current_organization_id()
    with transaction.atomic():
        outcome = Outcome.objects.create(
            organization_id=organization_id, task_id=task_id, trace_id=trace_id, source=source, **stated
        )
        if task_id is None:
            Touch.objects.create(organization_id=organization_id, trace_id=trace_id, started_at=outcome.recorded_at)
        known = Task.objects.filter(task_id=task_id).values_list("task_id", flat=True).first() if task_id else None
        if task_id is not None:
            Touch.objects.create(organization_id=organization_id, task_id=task_id)
        record(
            actor=actor,
            action="outcome.recorded",
            target_kind="task" if task_id else "trace",
            target_id=task_id or trace_id,
            target_name=known or task_id or trace_id or "",
            details={key: str(value) for key, value in stated.items() if value is not None and key != "comment"},
        )
    return outcome

"""Sweeps over telemetry's due work."""

from datetime import timedelta
from uuid import UUID

from apps.core.background import sweep
from apps.core.tenancy import everyone
from apps.organizations.models import Organization
from apps.telemetry.models import Recomputation, StaleHour, Touch
from apps.telemetry.services.closing import mark_silent_tasks
from apps.telemetry.services.costs import recompute_step
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.rollups import roll_up_pending

# Batches per organization and turn, so that a busy organization does not keep the others waiting.
TURN = 10


@sweep(every=timedelta(seconds=1))
def fold_due() -> int:
    """Fold new spans of every organization into traces and tasks."""
    with everyone(reason="list the organizations that have spans to fold"):
        due: list[UUID] = list(Touch.objects.values_list("organization_id", flat=True).distinct())
    return sum(fold_pending(organization_id, batches=TURN) or 0 for organization_id in due)


@sweep(every=timedelta(minutes=1))
def close_due() -> int:
    """Mark the tasks that fell silent, in every organization."""
    with everyone(reason="time passes in every organization"):
        organizations: list[UUID] = list(Organization.objects.values_list("id", flat=True))
    return sum(mark_silent_tasks(organization_id) for organization_id in organizations)


@sweep(every=timedelta(seconds=5))
def roll_up_due() -> int:
    """Replace the rollups that no longer hold, in every organization."""
    with everyone(reason="list the organizations whose rollups no longer hold"):
        due: list[UUID] = list(StaleHour.objects.values_list("organization_id", flat=True).distinct())
    return sum(roll_up_pending(organization_id) or 0 for organization_id in due)


@sweep(every=timedelta(seconds=5))
def recompute_due() -> int:
    """Compute costs anew where somebody asked for it; return how many steps were done."""
    with everyone(reason="list the organizations whose costs are to be computed anew"):
        due: list[UUID] = list(Recomputation.objects.filter(finished_at=None).values_list("organization_id", flat=True))
    steps = 0
    for organization_id in due:
        for _ in range(TURN):
            steps += 1
            if not recompute_step(organization_id):
                break
    return steps

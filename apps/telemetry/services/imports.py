"""Import recorded runs through the same services as HTTP: each run once, an interrupted import goes on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched

from django.db import connection

from apps.core.actors import SYSTEM
from apps.core.tenancy import current_organization_id, scope
from apps.organizations.models import Organization
from apps.telemetry.models import Outcome
from apps.telemetry.normal import NormalSpan
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.services.outcomes import record_outcomes
from apps.telemetry.services.rollups import roll_up_pending
from apps.telemetry.wire.runs import Run, spans_of

RUNS_AT_ONCE = 50
# Runs without times of their own begin so far apart.
APART = timedelta(minutes=7)


@dataclass
class Imported:
    """What an import found and stored."""

    run_count: int = 0
    known_count: int = 0
    span_count: int = 0
    model_call_count: int = 0
    tool_call_count: int = 0
    tool_error_count: int = 0
    escalated_count: int = 0
    success_count: int = 0
    failure_count: int = 0
    rejected: list[str] = field(default_factory=list)


def import_runs(
    *, organization: Organization, runs: Iterable[Run], starting: datetime, source: str
) -> Iterator[Imported]:
    """Store runs in batches, yielding the counts after each; spans and outcomes that are there are left as they are.

    `starting` is the begin of the first run whose recording has no times; a run that was stored before keeps its own.
    """
    counts = Imported()
    for batch in batched(runs, RUNS_AT_ONCE):
        with scope(organization.id):
            before = _starts([run.trace_id for run in batch])
            told = set(
                Outcome.objects.filter(trace_id__in=[run.trace_id for run in batch]).values_list("trace_id", flat=True)
            )
        spans: list[NormalSpan] = []
        outcomes: list[Outcome] = []
        for run in batch:
            start = before.get(run.trace_id) or starting + APART * counts.run_count
            steps = spans_of(run, start)
            _count(counts, run, steps, is_known=run.trace_id in before)
            spans += steps
            if run.success is not None and run.trace_id not in told:
                ended = steps[0].started_at + timedelta(microseconds=steps[0].duration_us or 0)
                outcomes.append(Outcome(trace_id=run.trace_id, evaluated_success=run.success, recorded_at=ended))
        stored = store_spans(organization_id=organization.id, agent_slug=None, spans=spans)
        counts.rejected += [rejection.reason for rejection in stored.rejected]
        if outcomes:
            with scope(organization.id):
                record_outcomes(actor=SYSTEM, outcomes=outcomes, source=source)
        yield counts


def finish_import(organization: Organization) -> None:
    """Fold and sum up what was imported."""
    while fold_pending(organization.id, batches=50):
        pass
    while roll_up_pending(organization.id, hours=200):
        pass


def _starts(trace_ids: list[str]) -> dict[str, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT trace_id, min(started_at) FROM telemetry_span "
            "WHERE organization_id = %s AND trace_id = ANY(%s) GROUP BY trace_id",
            [current_organization_id(), trace_ids],
        )
        return dict(cursor.fetchall())


def _count(counts: Imported, run: Run, steps: list[NormalSpan], *, is_known: bool) -> None:
    counts.run_count += 1
    counts.known_count += is_known
    counts.span_count += len(steps)
    counts.model_call_count += sum(step.kind == "model" for step in steps)
    counts.tool_call_count += sum(step.kind == "tool" for step in steps)
    counts.tool_error_count += sum(step.kind == "tool" and step.status == "error" for step in steps)
    counts.escalated_count += any(step.escalation_reason for step in steps)
    counts.success_count += run.success is True
    counts.failure_count += run.success is False

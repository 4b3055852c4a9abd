"""Runs of agents for tests: traces of a given shape, stored through ingest, folded on demand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from apps.core.tenancy import scope
from apps.telemetry.normal import NormalSpan
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.services.rollups import roll_up_pending

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=2)


def step(trace: str, span: str, **fields) -> NormalSpan:
    """Return one step; times in seconds after NOW by `at` and `takes` (None: not ended)."""
    at, takes = fields.pop("at", 0.0), fields.pop("takes", 1.0)
    parent = fields.pop("parent", None)
    named = {
        "name": fields.get("tool") or fields.get("kind", "agent"),
        "kind": "agent",
        "status": "ok",
        "agent": "support-agent",
        "environment": "production",
        **fields,
    }
    return NormalSpan(
        trace_id=trace,
        span_id=f"{trace}-{span}",
        parent_span_id=f"{trace}-{parent}" if parent else None,
        started_at=NOW + timedelta(seconds=at),
        duration_us=None if takes is None else round(takes * 1_000_000),
        **named,
    )


def run(trace: str, *, at: float = 0.0, takes: float = 10.0, **fields) -> list[NormalSpan]:
    """Return a run of an agent with a model call and a tool call; `fields` go to its root."""
    agent = fields.get("agent", "support-agent")
    cost = fields.pop("cost", Decimal("0.01"))
    return [
        step(trace, "root", at=at, takes=takes, **fields),
        step(
            trace,
            "model",
            parent="root",
            at=at + 0.1,
            takes=takes * 0.5,
            kind="model",
            agent=agent,
            provider="nowhere",
            model=fields.get("model", "model-x"),
            input_tokens=100,
            output_tokens=20,
            reported_cost_usd=cost,
        ),
        step(
            trace,
            "tool",
            parent="root",
            at=at + 0.1 + takes * 0.5,
            takes=takes * 0.2,
            kind="tool",
            agent=agent,
            tool="search",
        ),
    ]


def send(organization, *spans: NormalSpan) -> None:
    """Store steps as ingest does."""
    accepted, rejected = store_spans(organization_id=organization.id, agent_slug=None, spans=list(spans))
    assert rejected == [], rejected
    assert accepted == len(spans)


def settle_all(organization) -> None:
    """Fold and roll up until nothing is due."""
    while fold_pending(organization.id, batches=10):
        pass
    while roll_up_pending(organization.id, is_reader=True):
        pass


def inside(organization):
    """Enter the organization."""
    return scope(organization.id)

"""Forty-five days of a fleet's work as spans and outcomes, the same for the same seed and end. No Django here."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from apps.home.demo.fleet import Profile, Tool
from apps.telemetry.normal import NormalSpan

DAYS = 45
# Share of a day's tasks by hour (UTC): quiet nights, a peak before noon, another in the afternoon.
HOURS = (1, 1, 1, 1, 2, 3, 5, 8, 11, 13, 13, 11, 9, 10, 12, 12, 10, 8, 6, 5, 4, 3, 2, 1)
NIGHT = (12, 12, 12, 10, 8, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 10, 12)
WEEKEND = 0.5


@dataclass(frozen=True)
class Told:
    """What came of a generated task."""

    task_trace: str
    evaluated_success: bool | None
    user_success: bool | None
    value_usd: Decimal | None
    outcome: str | None
    at: datetime


@dataclass
class _Clock:
    """The moment within a task, moving on with every step."""

    at: datetime

    def take(self, milliseconds: float) -> tuple[datetime, int]:
        """Return start and duration (µs) of a step and move to its end (plus a little of the agent's own work)."""
        start = self.at
        microseconds = max(1000, round(milliseconds * 1000))
        self.at = start + timedelta(microseconds=microseconds + 15_000)
        return start, microseconds


def generate(profile: Profile, *, end: datetime, seed: int) -> Iterator[tuple[list[NormalSpan], Told | None]]:
    """Yield the spans of one task after another and what came of it, oldest first, all before `end`."""
    rng = random.Random(f"{seed}:{profile.slug}")  # noqa: S311 - a story, not a secret
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    weights = NIGHT if profile.slug == "invoice-matcher" else HOURS
    for days_ago in range(min(profile.first_day, DAYS), -1, -1):
        day = midnight - timedelta(days=days_ago)
        expected = profile.tasks_per_day * (WEEKEND if day.weekday() >= 5 else 1.0)
        count = max(0, round(rng.gauss(expected, math.sqrt(expected))))
        starts = sorted(
            day + timedelta(hours=rng.choices(range(24), weights)[0], seconds=rng.uniform(0, 3600))
            for _ in range(count)
        )
        for start in starts:
            if start < end - timedelta(minutes=10):
                yield _task(rng, profile, start, days_ago)


def _task(rng: random.Random, profile: Profile, start: datetime, days_ago: int) -> tuple[list[NormalSpan], Told | None]:
    trace_id = f"{rng.getrandbits(128):032x}"
    version = next(version for since, version in reversed(profile.versions) if days_ago <= since)
    clock = _Clock(start)
    common = {
        "agent": profile.slug,
        "agent_version": version,
        "environment": "staging" if profile.status == "pilot" else "production",
        "task_type": rng.choices(profile.task_types, range(len(profile.task_types), 0, -1))[0],
        "conversation_id": f"conv-{rng.getrandbits(40):010x}",
        "user_id": f"user-{rng.randrange(1, 900):04d}",
    }
    root = _span(rng, trace_id, None, f"invoke_agent {profile.slug}", "agent", (start, 0), common)
    spans = [root]
    growth = 1.0 + (0.16 * (6 - days_ago) if profile.slug == "research-assistant" and days_ago < 6 else 0.0)
    failed: NormalSpan | None = None
    for _ in range(rng.randint(*profile.turns)):
        spans.append(_model_call(rng, profile, trace_id, root, clock, common, growth))
        tool = rng.choice(profile.tools)
        failed = _tool_calls(rng, profile, tool, version, trace_id, root, clock, common, spans)
        if failed is not None:
            break
    reason = _escalation(rng, profile) if failed is None else None
    if reason == "approval_required":
        _approval(rng, trace_id, root, clock, common, spans)
    elif reason is not None:
        root.escalation_reason = reason
    if failed is None and rng.random() < profile.failure_rate:
        failed = _model_failure(rng, profile, trace_id, root, clock, common, spans)
    if failed is None:
        spans.append(_model_call(rng, profile, trace_id, root, clock, common, growth))
    root.duration_us = max(1000, (clock.at - start) // timedelta(microseconds=1))
    root.status = "ok"
    if failed is not None:
        root.status, root.error_category, root.error_type = "error", failed.error_category, failed.error_type
        root.status_message = failed.status_message
    return spans, _outcome(rng, profile, trace_id, failed is None, reason is not None, clock.at, version)


def _span(rng, trace_id, parent, name, kind, timing, common, **fields) -> NormalSpan:
    started_at, duration_us = timing
    return NormalSpan(
        trace_id,
        f"{rng.getrandbits(64):016x}",
        parent.span_id if parent else None,
        name,
        started_at,
        duration_us,
        kind=kind,
        status="ok",
        attributes={"agentops.generated": True},
        **common,
        **fields,
    )


def _spread(rng: random.Random, median: float, sigma: float = 0.45) -> float:
    return median * math.exp(rng.gauss(0, sigma))


def _model_call(rng, profile, trace_id, root, clock, common, growth) -> NormalSpan:
    provider, model = profile.models[0] if rng.random() < 0.85 else profile.models[-1]
    tokens = round(_spread(rng, profile.input_tokens * growth, 0.3))
    cached = round(tokens * rng.choice((0, 0, 0.4, 0.6)))
    return _span(
        rng,
        trace_id,
        root,
        f"chat {model}",
        "model",
        clock.take(_spread(rng, profile.model_ms)),
        common,
        provider=provider,
        model=model,
        input_tokens=tokens,
        output_tokens=round(_spread(rng, profile.output_tokens, 0.4)),
        cache_read_tokens=cached or None,
        input=f"{common['task_type'].capitalize()} of {common['user_id']}: what is the next step?",
        output="Calling a tool with what was found." if rng.random() < 0.6 else "Here is what I found for you.",
    )


def _tool_calls(rng, profile, tool: Tool, version, trace_id, root, clock, common, spans) -> NormalSpan | None:
    """Call a tool, again after a failure; return the last failure if the task ends with it."""
    is_bad_deployment = profile.slug == "booking-agent" and version == "2.2.0" and tool.name == "hold_seat"
    failure_rate = 0.22 if is_bad_deployment else tool.failure_rate
    for attempt in range(2):
        span = _span(
            rng,
            trace_id,
            root,
            f"execute_tool {tool.name}",
            "tool",
            clock.take(_spread(rng, tool.median_ms)),
            common,
            tool=tool.name,
            input=f'{{"booking": "ACM-{rng.randrange(10000, 99999)}", "attempt": {attempt + 1}}}',
        )
        spans.append(span)
        if rng.random() >= failure_rate:
            span.output = '{"result": "ok"}'
            return None
        span.status = "error"
        if is_bad_deployment or rng.random() < 0.4:
            span.duration_us = 8_000_000
            clock.at = span.started_at + timedelta(seconds=8.02)
            span.error_type, span.error_category = "ToolTimeout", "timeout"
            span.status_message = f"{tool.name} gave no answer within 8000 ms"
        else:
            span.error_type, span.error_category = "ToolError", "tool_failure"
            span.status_message = f"{tool.name} answered 503"
        failure_rate = 0.55 if is_bad_deployment else 0.3
    return span


def _model_failure(rng, profile, trace_id, root, clock, common, spans) -> NormalSpan:
    provider, model = profile.models[0]
    error_type, category, message = rng.choices(
        (
            ("RateLimitError", "rate_limit", "429: too many requests"),
            ("ValidationError", "invalid_output", "the answer does not match the schema"),
            ("RuntimeError", "internal_error", "state was lost between two steps"),
        ),
        (4, 3, 2),
    )[0]
    span = _span(
        rng,
        trace_id,
        root,
        f"chat {model}",
        "model",
        clock.take(_spread(rng, 600)),
        common,
        provider=provider,
        model=model,
    )
    span.status, span.error_type, span.error_category, span.status_message = "error", error_type, category, message
    spans.append(span)
    return span


def _escalation(rng: random.Random, profile: Profile) -> str | None:
    chance = rng.random()
    for reason, rate in profile.escalations.items():
        chance -= rate
        if chance < 0:
            return reason
    return None


def _approval(rng, trace_id, root, clock, common, spans) -> None:
    """Wait for a person: first in the queue, then for the decision."""
    queue = _span(rng, trace_id, root, "queue for review", "queue", clock.take(_spread(rng, 4000, 0.7)), common)
    decision = _span(
        rng,
        trace_id,
        root,
        "decision by a reviewer",
        "human",
        clock.take(_spread(rng, 9000, 0.8)),
        common,
        escalation_reason="approval_required",
    )
    spans += [queue, decision]


def _outcome(rng, profile, trace_id, is_success, is_escalated, at, version) -> Told | None:
    judged = user = value = None
    if rng.random() < profile.evaluated_share:
        quality = profile.judged_success - (0.05 if version == "2.2.0" else 0)
        judged = is_success and rng.random() < quality
    if rng.random() < profile.feedback_share:
        user = rng.random() < (0.88 if is_success else 0.2)
    if profile.value_usd and is_success and judged is not False:
        value = Decimal(f"{_spread(rng, profile.value_usd, 0.3):.2f}")
    reached = None
    if profile.outcome:
        is_reached = is_success and not is_escalated and judged is not False and rng.random() < 0.93
        reached = profile.outcome if is_reached else "not reached"
    if judged is None and user is None and value is None and reached is None:
        return None
    return Told(trace_id, judged, user, value, reached, at + timedelta(minutes=rng.uniform(1, 90)))

"""From spans to traces, from traces to tasks. No Django here.

A trace is recomputed from all its spans whenever one arrives, a task from all its traces, so that late, repeated and
unordered spans cannot count twice. Times are microseconds since 1970.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from apps.telemetry.rules.components import component_times
from apps.telemetry.rules.facts import SpanFacts, TaskFacts, TraceFacts
from apps.telemetry.rules.usage import counted_steps, reported_cost, total_cost, uses

# A task that has reported nothing for so long, and neither ended nor waits for a person, was abandoned.
ABANDONED_AFTER_US = 24 * 3600 * 1_000_000
# A task that waited for a person for so long was abandoned as well.
WAIT_ABANDONED_AFTER_US = 30 * 24 * 3600 * 1_000_000
# So long after its last step a trace whose root never came is judged without it: the root belongs to a caller that
# does not report here.
ROOT_AWAITED_US = 5 * 60 * 1_000_000


def fold_trace(spans: Sequence[SpanFacts], now_us: int) -> TraceFacts:
    """Sum up one trace; `spans` are all that is known of it, in any order, each once."""
    spans = sorted(spans, key=_start)
    roots = _roots(spans)
    root = roots[0]
    counted = counted_steps(spans)
    started, last = spans[0].started_us, 0
    model_calls = tool_calls = input_tokens = output_tokens = unpriced = 0
    model_names: set[str] = set()
    tools: set[str] = set()
    agents: set[str] = set()
    errors: list[SpanFacts] = []
    reasons: list[str] = []
    # One pass: this loop runs for every span that is stored.
    for span in spans:
        last = max(last, span.started_us + (span.duration_us or 0))
        agents.add(span.agent)
        kind = span.kind
        if kind == "model":
            model_calls += 1
            if span.model:
                model_names.add(span.model)
        elif kind == "tool":
            tool_calls += 1
            if span.tool:
                tools.add(span.tool)
        elif kind == "embedding" and span.model:
            model_names.add(span.model)
        if span.status == "error":
            errors.append(span)
        if span.escalation_reason:
            reasons.append(span.escalation_reason)
    models: dict[str, int] = {}
    for span in counted:
        tokens = span.input_tokens or 0
        input_tokens += tokens
        output_tokens += span.output_tokens or 0
        unpriced += span.price_state == "unpriced"
        if span.model:
            models[span.model] = models.get(span.model, 0) + tokens + (span.output_tokens or 0) + 1
    status, failed = _trace_status(roots, _open_waits(spans), is_quiet=now_us - last > ROOT_AWAITED_US)
    return TraceFacts(
        trace_id=root.trace_id,
        name=root.name,
        status=status,
        status_message=failed.status_message if failed else None,
        error_category=_root_cause(failed, errors) if failed else None,
        escalation_reason=_most_telling(reasons),
        started_us=started,
        ended_us=None if status == "running" else last,
        last_us=last,
        agent=root.agent,
        agent_version=_first(spans, root, "agent_version"),
        environment=_first(spans, root, "environment"),
        task_type=_first(spans, root, "task_type"),
        explicit_task_id=_first(spans, root, "task_id"),
        conversation_id=_first(spans, root, "conversation_id"),
        user_id=_first(spans, root, "user_id"),
        model=_most_used(models),
        model_names=sorted(model_names),
        tools=sorted(tools),
        agents=sorted(agents),
        span_count=len(spans),
        error_count=len(errors),
        model_call_count=model_calls,
        tool_call_count=tool_calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=total_cost(spans, counted),
        reported_cost_usd=reported_cost(spans),
        unpriced_count=unpriced,
        usage=uses(spans, counted),
        **component_times(spans, started, last),
    )


def _start(span: SpanFacts) -> tuple[int, str]:
    return span.started_us, span.span_id


def _roots(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the steps at the top, the earliest first; a true root says more than one whose parent has not come."""
    roots = [span for span in spans if span.parent_span_id is None]
    if not roots:
        known = {span.span_id for span in spans}
        # A circle of parents has neither.
        roots = [span for span in spans if span.parent_span_id not in known] or list(spans[:1])
    return roots


def _most_used(models: dict[str, int]) -> str | None:
    return max(models, key=models.__getitem__) if models else None


def _open_waits(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the steps that wait for a person and were not followed by their own continuation in this trace."""
    waits = [span for span in spans if span.status == "waiting"]
    if not waits:
        return waits
    return [
        wait
        for wait in waits
        if not any(
            span.started_us >= wait.ended_us
            and span.status in ("ok", "error")
            and span.kind == wait.kind
            and (span.tool, span.name) == (wait.tool, wait.name)
            for span in spans
        )
        and not _was_decided(wait, spans)
    ]


def _was_decided(wait: SpanFacts, spans: Sequence[SpanFacts]) -> bool:
    """Tell whether a later step of a person answered a request for one."""
    return wait.kind == "human" and any(
        span.kind == "human" and span.status == "ok" and span.started_us >= wait.started_us for span in spans
    )


def _trace_status(
    roots: Sequence[SpanFacts], waiting: Sequence[SpanFacts], *, is_quiet: bool
) -> tuple[str, SpanFacts | None]:
    """Return the state of a trace and, if it failed, the step that decided it.

    Of several roots (tries within one trace, or events without a tree) the agent's own decide, and of those the one
    that ended last: an error before it was got over.
    """
    deciders = [span for span in roots if span.kind == "agent"] or list(roots)
    ended = [span for span in deciders if span.duration_us is not None or span.status in ("ok", "error")]
    deciding = max(ended, key=lambda span: (span.ended_us, span.started_us, span.span_id), default=None)
    is_open = deciding is None or any(
        span.started_us > deciding.started_us for span in deciders if span not in ended and span.status != "waiting"
    )
    # A step whose parent has not come may be anywhere in the tree; an agent's own run that ended is an end.
    if roots[0].parent_span_id is not None and deciders[0].kind != "agent" and not is_quiet:
        is_open = True
    if deciding is not None and deciding.status == "error" and not is_open:
        return "failed", deciding
    if waiting:
        return "waiting", None
    return ("running" if is_open else "succeeded"), None


def _root_cause(failed: SpanFacts, errors: Sequence[SpanFacts]) -> str | None:
    """Return the deepest cause's category: a failed step below tells more than the root that passed it on."""
    below = [span for span in errors if span is not failed and span.error_category]
    telling = [span for span in below if span.error_category != "internal_error"]
    if failed.error_category == "internal_error" and telling:
        return telling[-1].error_category
    return failed.error_category or (below[-1].error_category if below else "internal_error")


def _most_telling(reasons: Iterable[str]) -> str | None:
    """Return one reason: a stated one before “unstated”, the earliest of those."""
    stated = list(reasons)
    return next((reason for reason in stated if reason != "unstated"), stated[0] if stated else None)


def _first(spans: Sequence[SpanFacts], root: SpanFacts, field: str) -> str | None:
    """Return the root's value, else the first that any step has."""
    value = getattr(root, field)
    if value is not None:
        return value
    return next((found for span in spans if (found := getattr(span, field)) is not None), None)


def fold_task(task_id: str, traces: Sequence[TraceFacts], now_us: int) -> TaskFacts:
    """Sum up one task from all its traces: its attempts, and the pauses in which it waited for a person."""
    traces = sorted(traces, key=lambda trace: (trace.started_us, trace.trace_id))
    first = traces[0]
    deciding = _deciding(traces)
    status = deciding.status
    silent_us = now_us - max(trace.last_us for trace in traces)
    if (status == "running" and silent_us > ABANDONED_AFTER_US) or (
        status == "waiting" and silent_us > WAIT_ABANDONED_AFTER_US
    ):
        status = "abandoned"
    pause = sum(
        max(0, following.started_us - trace.last_us)
        for trace, following in pairwise(traces)
        if trace.status == "waiting"
    )
    ended = max(trace.last_us for trace in traces) if status in ("succeeded", "failed") else None
    models: dict[str, int] = {}
    for trace in traces:
        if trace.model:
            models[trace.model] = models.get(trace.model, 0) + trace.input_tokens + trace.output_tokens + 1
    return TaskFacts(
        task_id=task_id,
        name=first.name,
        status=status,
        status_message=deciding.status_message,
        error_category=deciding.error_category,
        escalation_reason=_most_telling(trace.escalation_reason for trace in traces if trace.escalation_reason),
        started_us=first.started_us,
        ended_us=ended,
        latency_us=None if ended is None else ended - first.started_us,
        agent=first.agent,
        agent_version=deciding.agent_version or first.agent_version,
        environment=_stated(trace.environment for trace in traces),
        task_type=_stated(trace.task_type for trace in traces),
        conversation_id=_stated(trace.conversation_id for trace in traces),
        user_id=_stated(trace.user_id for trace in traces),
        model=_most_used(models),
        tools=sorted({tool for trace in traces for tool in trace.tools}),
        # A trace after one that failed or broke off is a new try; after a wait or an answer the same one goes on.
        attempt_count=1 + sum(1 for trace in traces[:-1] if trace.status in ("failed", "running")),
        trace_ids=[trace.trace_id for trace in traces],
        span_count=sum(trace.span_count for trace in traces),
        # Errors of a try that failed are no secret; those that a good end covers are.
        hidden_error_count=sum(trace.error_count for trace in traces if trace.status == "succeeded"),
        model_call_count=sum(trace.model_call_count for trace in traces),
        tool_call_count=sum(trace.tool_call_count for trace in traces),
        input_tokens=sum(trace.input_tokens for trace in traces),
        output_tokens=sum(trace.output_tokens for trace in traces),
        cost_usd=_sum(trace.cost_usd for trace in traces),
        reported_cost_usd=_sum(trace.reported_cost_usd for trace in traces),
        unpriced_count=sum(trace.unpriced_count for trace in traces),
        model_us=sum(trace.model_us for trace in traces),
        tool_us=sum(trace.tool_us for trace in traces),
        human_us=sum(trace.human_us for trace in traces) + pause,
        queue_us=sum(trace.queue_us for trace in traces),
        own_us=sum(trace.own_us for trace in traces),
    )


def _deciding(traces: Sequence[TraceFacts]) -> TraceFacts:
    """Return the trace that decides a task: the one that ended last, or a later one that still runs."""
    last = traces[-1]
    if last.status == "running":
        return last
    return max((trace for trace in traces if trace.status != "running"), key=lambda t: (t.last_us, t.started_us))


def _stated(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None

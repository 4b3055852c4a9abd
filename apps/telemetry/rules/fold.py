"""From spans to traces, from traces to tasks. No Django here.

A trace is recomputed from all its spans whenever one arrives, a task from all its traces, so that late, repeated and
unordered spans cannot count twice. Times are microseconds since 1970.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from apps.telemetry.rules.components import component_times
from apps.telemetry.rules.facts import SpanFacts, TaskFacts, TraceFacts

# A task that has reported nothing for so long, and neither ended nor waits for a person, was abandoned.
ABANDONED_AFTER_US = 24 * 3600 * 1_000_000


def fold_trace(spans: Sequence[SpanFacts]) -> TraceFacts:
    """Sum up one trace; `spans` are all that is known of it, in any order, each once."""
    spans = sorted(spans, key=lambda span: (span.started_us, span.span_id))
    known = {span.span_id for span in spans}
    tops = [span for span in spans if span.parent_span_id is None or span.parent_span_id not in known]
    # A true root says more than an orphan whose parent has not arrived.
    root = next((span for span in tops if span.parent_span_id is None), tops[0] if tops else spans[0])
    usage = _usage_spans(spans)
    models = Counter[str]()
    for span in usage:
        if span.model:
            models[span.model] += (span.input_tokens or 0) + (span.output_tokens or 0) + 1
    used = {span.span_id for span in usage}
    costs = [
        span.cost_usd for span in spans if span.cost_usd is not None and (span.span_id in used or not _has_tokens(span))
    ]
    reported = [span.reported_cost_usd for span in _counted_once(spans, "reported_cost_usd") if span.reported_cost_usd]
    waiting = _open_waits(spans)
    status, failed = _trace_status(root, tops, waiting)
    started = spans[0].started_us
    ended = max(span.ended_us for span in spans)
    is_over = root.duration_us is not None or root.status in ("ok", "error")
    errors = [span for span in spans if span.status == "error"]
    escalations = [span.escalation_reason for span in spans if span.escalation_reason]
    times = component_times(spans, started, ended)
    return TraceFacts(
        trace_id=root.trace_id,
        name=root.name,
        status=status,
        status_message=failed.status_message if failed else None,
        error_category=(_root_cause(failed, errors) if failed else None),
        escalation_reason=_most_telling(escalations),
        started_us=started,
        ended_us=ended if is_over or status == "waiting" else None,
        agent=root.agent,
        agent_version=_first(spans, root, "agent_version"),
        environment=_first(spans, root, "environment"),
        task_type=_first(spans, root, "task_type"),
        explicit_task_id=_first(spans, root, "task_id"),
        conversation_id=_first(spans, root, "conversation_id"),
        user_id=_first(spans, root, "user_id"),
        model=models.most_common(1)[0][0] if models else None,
        model_names=sorted({span.model for span in spans if span.model and span.kind in ("model", "embedding")}),
        tools=sorted({span.tool for span in spans if span.tool and span.kind == "tool"}),
        agents=sorted({span.agent for span in spans}),
        span_count=len(spans),
        error_count=len(errors),
        model_call_count=sum(1 for span in spans if span.kind == "model"),
        tool_call_count=sum(1 for span in spans if span.kind == "tool"),
        input_tokens=sum(span.input_tokens or 0 for span in usage),
        output_tokens=sum(span.output_tokens or 0 for span in usage),
        cost_usd=sum(costs[1:], costs[0]) if costs else None,
        reported_cost_usd=sum(reported[1:], reported[0]) if reported else None,
        unpriced_count=sum(1 for span in usage if span.price_state == "unpriced"),
        model_us=times["model_us"],
        tool_us=times["tool_us"],
        human_us=times["human_us"],
        queue_us=times["queue_us"],
        own_us=times["own_us"],
    )


def _has_tokens(span: SpanFacts) -> bool:
    return span.input_tokens is not None or span.output_tokens is not None


def _usage_spans(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the steps whose tokens count: those that used them, else the topmost sums."""
    own = [span for span in spans if _has_tokens(span) and not span.is_usage_summary]
    if own:
        return own
    return _topmost([span for span in spans if _has_tokens(span)], spans)


def _topmost(chosen: Sequence[SpanFacts], spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    parents = {span.span_id: span.parent_span_id for span in spans}
    ids = {span.span_id for span in chosen}
    found = []
    for span in chosen:
        above, steps = span.parent_span_id, 0
        while above is not None and above not in ids and steps < 1000:
            above, steps = parents.get(above), steps + 1
        if above is None or above not in ids:
            found.append(span)
    return found


def _counted_once(spans: Sequence[SpanFacts], field: str) -> list[SpanFacts]:
    stated = [span for span in spans if getattr(span, field) is not None]
    leaves = [span for span in stated if span.kind not in ("agent", "step")]
    return leaves or _topmost(stated, spans)


def _open_waits(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the steps that wait for a person and were not followed by their own continuation in this trace."""
    waits = [span for span in spans if span.status == "waiting"]
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
    root: SpanFacts, tops: Sequence[SpanFacts], waiting: Sequence[SpanFacts]
) -> tuple[str, SpanFacts | None]:
    if root.status == "error":
        return "failed", root
    # Events without a root step: an error at the top is the task's error.
    failed = next((span for span in tops if span.status == "error"), None) if root.kind != "agent" else None
    if failed is not None:
        return "failed", failed
    if waiting:
        return "waiting", None
    if root.status == "ok" or root.duration_us is not None:
        return "succeeded", None
    return "running", None


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
    first, last = traces[0], traces[-1]
    status = last.status
    ended = max((trace.ended_us for trace in traces if trace.ended_us is not None), default=None)
    if (
        status == "running"
        and now_us - max(trace.ended_us or trace.started_us for trace in traces) > ABANDONED_AFTER_US
    ):
        status = "abandoned"
    pause = sum(
        max(0, following.started_us - (trace.ended_us or following.started_us))
        for trace, following in pairwise(traces)
        if trace.status == "waiting"
    )
    is_over = status in ("succeeded", "failed")
    costs = [trace.cost_usd for trace in traces if trace.cost_usd is not None]
    reported = [trace.reported_cost_usd for trace in traces if trace.reported_cost_usd is not None]
    models = Counter[str]()
    for trace in traces:
        if trace.model:
            models[trace.model] += trace.input_tokens + trace.output_tokens + 1
    reasons = [trace.escalation_reason for trace in traces if trace.escalation_reason]
    errors = sum(trace.error_count for trace in traces)
    return TaskFacts(
        task_id=task_id,
        name=first.name,
        status=status,
        status_message=last.status_message,
        error_category=last.error_category,
        escalation_reason=_most_telling(reasons),
        started_us=first.started_us,
        ended_us=ended if is_over else None,
        latency_us=ended - first.started_us if is_over and ended is not None else None,
        agent=first.agent,
        agent_version=last.agent_version or first.agent_version,
        environment=first.environment,
        task_type=next((trace.task_type for trace in traces if trace.task_type), None),
        conversation_id=next((trace.conversation_id for trace in traces if trace.conversation_id), None),
        user_id=next((trace.user_id for trace in traces if trace.user_id), None),
        model=models.most_common(1)[0][0] if models else None,
        tools=sorted({tool for trace in traces for tool in trace.tools}),
        # A trace that resumes a waiting one continues its attempt; any other further trace is a new try.
        attempt_count=1 + sum(1 for trace in traces[:-1] if trace.status != "waiting"),
        trace_ids=[trace.trace_id for trace in traces],
        span_count=sum(trace.span_count for trace in traces),
        hidden_error_count=errors if status == "succeeded" else 0,
        model_call_count=sum(trace.model_call_count for trace in traces),
        tool_call_count=sum(trace.tool_call_count for trace in traces),
        input_tokens=sum(trace.input_tokens for trace in traces),
        output_tokens=sum(trace.output_tokens for trace in traces),
        cost_usd=sum(costs[1:], costs[0]) if costs else None,
        reported_cost_usd=sum(reported[1:], reported[0]) if reported else None,
        unpriced_count=sum(trace.unpriced_count for trace in traces),
        model_us=sum(trace.model_us for trace in traces),
        tool_us=sum(trace.tool_us for trace in traces),
        human_us=sum(trace.human_us for trace in traces) + pause,
        queue_us=sum(trace.queue_us for trace in traces),
        own_us=sum(trace.own_us for trace in traces),
    )

"""Recorded runs of agents (benchmarks, histories) as normal spans, one task a run.

Each module reads one format and yields Run objects. Ids come from the run's own content, so that importing it twice
stores it once. Where a recording has no times they are assumed, and every span says so.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
import rfc8785

from apps.telemetry.normal import NormalSpan
from apps.telemetry.rules.outcomes import error_category, is_handover

ASSUMED = "agentops.time_assumed"
# Where a recording has no times: a model answers in 2 s, a tool in half a second, the other side in 5 s.
PACE = {"assistant": timedelta(seconds=2), "tool": timedelta(milliseconds=500), "user": timedelta(seconds=5)}


class Message(msgspec.Struct):
    """One message of a conversation in the words of all formats."""

    role: str  # assistant | user | tool | system
    content: str | None = None
    calls: list["Call"] = []
    call_id: str | None = None
    at: datetime | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Any = None
    is_error: bool = False


class Call(msgspec.Struct):
    """A call of a tool; `by` is assistant, or user where the other side has tools of its own."""

    id: str
    name: str
    arguments: str
    by: str = "assistant"


class Run(msgspec.Struct):
    """One recorded run: who worked on what, the conversation, and whether it reached its aim."""

    key: str
    agent: str
    task_type: str | None
    model: str | None
    provider: str | None
    messages: list[Message]
    success: bool | None
    failure: str | None = None
    label: str = ""

    @property
    def trace_id(self) -> str:
        """Return the trace id that stands for this run wherever and whenever it is imported."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]

    @property
    def has_times(self) -> bool:
        """Tell whether the recording says when its messages were."""
        return bool(self.messages) and all(message.at is not None for message in self.messages)


def content_key(source: Any) -> str:
    """Return a key made of a run's whole content."""
    return hashlib.sha256(rfc8785.dumps(_plain(source))).hexdigest()


def _plain(value: Any) -> Any:
    # RFC 8785 has no integers beyond 2**53, and recordings contain some.
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def spans_of(run: Run, start: datetime) -> list[NormalSpan]:
    """Return the run as spans: its root, a step for each answer of the model, a step for each call of a tool.

    `start` is used only where the recording has no times of its own.
    """
    is_assumed = not run.has_times
    attributes: dict[str, Any] = {"agentops.imported": run.label, **({ASSUMED: True} if is_assumed else {})}
    first = run.messages[0].at if run.messages and not is_assumed else start
    assert first is not None
    root = _span(run, "root", None, f"invoke_agent {run.agent}", first, "agent", attributes)
    spans = [root]
    clock = first
    open_calls: dict[str, NormalSpan] = {}
    for number, message in enumerate(run.messages):
        end = clock + PACE.get(message.role, timedelta(0)) if is_assumed else max(clock, message.at or clock)
        if message.role == "assistant":
            spans.append(_model_step(run, number, message, root, clock, end, attributes))
        for position, call in enumerate(message.calls):
            step = _tool_step(run, f"{number}.{position}", call, root, end, attributes)
            open_calls[call.id or f"{number}.{position}"] = step
            spans.append(step)
        if message.role == "tool":
            _finish_call(message, open_calls, end)
        elif message.role == "user" and root.input is None:
            root.input = message.content
        clock = end
    for step in open_calls.values():
        step.duration_us, step.status = 0, "ok"
    root.duration_us = (clock - first) // timedelta(microseconds=1)
    root.status = "ok" if run.failure is None else "error"
    root.output = next((m.content for m in reversed(run.messages) if m.role == "assistant" and m.content), None)
    if run.failure is not None:
        root.error_type = run.failure
        root.error_category = "timeout" if run.failure == "max_steps" else "internal_error"
        root.status_message = f"the run ended with {run.failure}"
    return spans


def _span(
    run: Run, place: str, parent: NormalSpan | None, name: str, at: datetime, kind: str, attributes: dict[str, Any]
) -> NormalSpan:
    return NormalSpan(
        run.trace_id,
        hashlib.sha256(f"{run.key} {place}".encode()).hexdigest()[:16],
        parent.span_id if parent else None,
        name,
        at,
        None,
        kind=kind,
        agent=run.agent,
        task_type=run.task_type,
        attributes=dict(attributes),
    )


def _model_step(
    run: Run,
    number: int,
    message: Message,
    root: NormalSpan,
    start: datetime,
    end: datetime,
    attributes: dict[str, Any],
) -> NormalSpan:
    step = _span(run, f"message {number}", root, f"chat {run.model or ''}".strip(), start, "model", attributes)
    step.duration_us, step.status = (end - start) // timedelta(microseconds=1), "ok"
    step.model, step.provider = run.model, run.provider
    step.input_tokens, step.output_tokens = message.input_tokens, message.output_tokens
    step.reported_cost_usd = message.cost
    step.output = message.content
    return step


def _tool_step(
    run: Run, place: str, call: Call, root: NormalSpan, at: datetime, attributes: dict[str, Any]
) -> NormalSpan:
    step = _span(run, f"call {place}", root, f"execute_tool {call.name}", at, "tool", attributes)
    step.tool, step.input = call.name, call.arguments
    if call.by != "assistant":
        step.attributes["requestor"] = call.by
    if is_handover(call.name):
        step.escalation_reason = "unstated"
    return step


def _finish_call(message: Message, open_calls: dict[str, NormalSpan], end: datetime) -> None:
    """Give a call its result: by its id, else the oldest one that has none yet."""
    key = message.call_id if message.call_id in open_calls else next(iter(open_calls), None)
    if key is None:
        return
    step = open_calls.pop(key)
    step.duration_us = max(0, (end - step.started_at) // timedelta(microseconds=1))
    step.output = message.content
    step.status = "error" if message.is_error else "ok"
    if message.is_error:
        step.status_message = (message.content or "")[:2000]
        step.error_category = error_category("tool", None, step.status_message)

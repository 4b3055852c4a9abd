"""Where the time of a trace went. No Django here."""

from collections.abc import Iterable, Sequence

from apps.telemetry.rules.facts import SpanFacts

_COMPONENTS = {
    "human": "human_us",
    "queue": "queue_us",
    "model": "model_us",
    "embedding": "model_us",
    "tool": "tool_us",
    "retrieval": "tool_us",
}


def component_times(spans: Sequence[SpanFacts], started: int, ended: int) -> dict[str, int]:
    """Return where the time went: parallel steps count once, a person's time before queues, models and tools.

    A tool that asks a model spends a model's time; the time of a tool that is an agent is that agent's.

    Human wait also covers the gap between a step that stopped for a person and its continuation in the same trace.
    """
    intervals: dict[str, list[tuple[int, int]]] = {"human_us": [], "queue_us": [], "model_us": [], "tool_us": []}
    delegating = {span.parent_span_id for span in spans if span.kind == "agent"}
    waits = []
    for span in spans:
        if span.status == "waiting":
            waits.append(span)
        if span.duration_us and (component := _COMPONENTS.get(span.kind)) is not None:
            if component == "tool_us" and span.span_id in delegating:
                continue
            intervals[component].append((span.started_us, span.started_us + span.duration_us))
    for wait in waits:
        following = [
            span.started_us
            for span in spans
            if span is not wait
            and span.started_us >= wait.ended_us
            and (span.tool, span.name) == (wait.tool, wait.name)
        ]
        if following:
            intervals["human_us"].append((wait.ended_us, min(following)))
    taken: list[tuple[int, int]] = []
    times: dict[str, int] = {}
    covered = 0
    for component, found in intervals.items():
        if found:
            taken = _union(taken + found)
            before, covered = covered, _length(taken)
            times[component] = covered - before
        else:
            times[component] = 0
    times["own_us"] = max(0, ended - started - covered)
    return times


def _union(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _length(intervals: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in intervals)


def span_times(times: dict[str, int], names: dict[str, str]) -> list[tuple[str, str, int, float, float]]:
    """Lay the components end to end: (kind, name, µs, offset in percent, width in percent), the longest first."""
    whole = sum(times.values()) or 1
    laid, offset = [], 0.0
    for key, amount in sorted(times.items(), key=lambda item: -item[1]):
        if amount:
            width = amount / whole * 100
            laid.append((key.removesuffix("_us"), names[key], amount, round(offset, 2), round(width, 2)))
            offset += width
    return laid

"""Waits that only look like waits. No Django here."""

from collections import defaultdict

from apps.telemetry.normal import NormalSpan


def continue_silent_tools(spans: list[NormalSpan]) -> None:
    """Take back the wait of a tool that simply returned nothing: its agent went on afterwards.

    The OpenAI Agents SDK shows a call that needs approval as a tool without a result, and ends the run there. So if
    a step that is no tool began later below the same parent, or below the agent of that turn, nobody was waited for.
    """
    silent = [span for span in spans if span.status == "waiting" and span.kind == "tool" and span.output is None]
    if not silent:
        return
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    children: dict[tuple[str, str], list[NormalSpan]] = defaultdict(list)
    for span in spans:
        if span.parent_span_id is not None and span.kind != "tool":
            children[span.trace_id, span.parent_span_id].append(span)
    for span in silent:
        step = span
        for _ in range(2):
            place = (step.trace_id, step.parent_span_id or "")
            if any(sibling.started_at > step.started_at for sibling in children[place]):
                span.status = "ok"
                span.escalation_reason = None
                break
            above = by_id.get(place)
            # A turn stands between a tool and its agent in newer releases.
            if above is None or above.kind != "step":
                break
            step = above

"""Which steps' tokens and costs count: each once. No Django here.

Frameworks repeat the sums of model calls on the steps above them, and two instrumentations may report the same call one
inside the other. A step that used tokens itself counts; one that repeats what a step below it reports does not.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from apps.telemetry.rules.facts import SpanFacts, Use

# Steps that may stand between a model call and its repetition by another instrumentation.
_TRANSPARENT = ("model", "step")
_USED = frozenset({"model", "embedding", "tool", "retrieval"})


def has_tokens(span: SpanFacts) -> bool:
    """Tell whether a step reports tokens."""
    return span.input_tokens is not None or span.output_tokens is not None


def counted_steps(spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the steps whose tokens count: those that used them, else the topmost sums."""
    stated = [span for span in spans if span.input_tokens is not None or span.output_tokens is not None]
    own = [span for span in stated if not span.is_usage_summary]
    if not own:
        return topmost(stated, spans)
    return innermost(own, spans) if len(own) > 1 else own


def innermost(chosen: Sequence[SpanFacts], spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the chosen steps without model calls that only wrap another of them."""
    wrappers = _wrappers(chosen, spans)
    return [span for span in chosen if span.span_id not in wrappers] if wrappers else list(chosen)


def _wrappers(chosen: Iterable[SpanFacts], spans: Sequence[SpanFacts]) -> set[str]:
    """Return the model calls with another model call below them and nothing but glue between."""
    models = {span.span_id: span for span in chosen if span.kind == "model"}
    found: set[str] = set()
    if len(models) < 2:
        return found
    # Most model calls hang directly under an agent: nothing can wrap them.
    glue = {span.span_id: span for span in spans if span.kind in _TRANSPARENT}
    for span in models.values():
        above = span.parent_span_id
        for _ in range(50):
            parent = glue.get(above) if above is not None else None
            if parent is None:
                break
            if parent.kind == "model" and parent.span_id in models and parent is not span:
                found.add(parent.span_id)
            above = parent.parent_span_id
    return found


def topmost(chosen: Sequence[SpanFacts], spans: Sequence[SpanFacts]) -> list[SpanFacts]:
    """Return the chosen steps that have no other chosen one above them."""
    if len(chosen) < 2:
        return list(chosen)
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


def total_cost(spans: Sequence[SpanFacts], counted: Sequence[SpanFacts]) -> Decimal | None:
    """Return our cost: of the steps whose tokens count and of those that cost without tokens (tools)."""
    costs = _costs(spans, counted)
    return sum(costs.values(), Decimal(0)) if costs else None


def _costs(spans: Sequence[SpanFacts], counted: Sequence[SpanFacts]) -> dict[str, Decimal]:
    ids = {span.span_id for span in counted}
    return {
        span.span_id: span.cost_usd
        for span in spans
        if span.cost_usd is not None and (span.span_id in ids or not (has_tokens(span) or span.is_usage_summary))
    }


def reported_cost(spans: Sequence[SpanFacts]) -> Decimal | None:
    """Return what the client says it cost: the sum of single calls, else of the topmost sums."""
    stated = [span for span in spans if span.reported_cost_usd is not None]
    if not stated:
        return None
    leaves = [span for span in stated if span.kind not in ("agent", "step")]
    chosen = innermost(leaves, spans) if leaves else topmost(stated, spans)
    return sum((span.reported_cost_usd or Decimal(0) for span in chosen), Decimal(0))


def uses(spans: Sequence[SpanFacts], counted: Sequence[SpanFacts]) -> list[Use]:
    """Return the calls per agent, model and tool."""
    ids = {span.span_id for span in counted}
    wrappers = _wrappers(spans, spans)
    costs = _costs(spans, counted)
    found: dict[tuple, Use] = {}
    for span in spans:
        span_id = span.span_id
        cost = costs.get(span_id)
        is_counted = span_id in ids
        # What is neither a model nor a tool appears only with tokens or cost of its own.
        if (span.kind not in _USED and cost is None and not is_counted) or span_id in wrappers:
            continue
        key = (span.agent, span.agent_version, span.environment, span.provider, span.model, span.tool)
        use = found.get(key)
        if use is None:
            use = found[key] = Use(*key)
        use.call_count += 1
        if span.status == "error":
            use.error_count += 1
        if span.duration_us:
            use.duration_us += span.duration_us
        if is_counted:
            use.input_tokens += span.input_tokens or 0
            use.output_tokens += span.output_tokens or 0
            if span.price_state == "unpriced":
                use.unpriced_count += 1
        if cost is not None:
            use.cost_usd += cost
    return list(found.values())

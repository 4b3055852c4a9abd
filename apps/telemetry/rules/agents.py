"""Which agent a step belongs to. No Django here."""

import re
import unicodedata
from functools import lru_cache

from apps.telemetry.normal import NormalSpan

UNKNOWN_AGENT = "unknown-agent"
LONGEST_SLUG = 100
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=10_000)
def agent_slug(name: str) -> str:
    """Return the name that addresses and the registry use: lower case letters, digits, hyphens.

    >>> agent_slug("Support Agent (v2)")
    'support-agent-v2'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:LONGEST_SLUG].strip("-") or UNKNOWN_AGENT


def name_agents(spans: list[NormalSpan]) -> None:
    """Give each step without an agent that of the nearest step above it in the batch, else of its trace's root."""
    if all(span.agent is not None for span in spans):
        return
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    roots: dict[str, str] = {}
    for span in spans:
        if span.agent and (span.parent_span_id is None or span.trace_id not in roots):
            roots[span.trace_id] = span.agent
    for span in spans:
        if span.agent is not None:
            continue
        above = span
        for _ in range(100):
            parent = by_id.get((span.trace_id, above.parent_span_id or ""))
            if parent is None or parent.agent is not None:
                break
            above = parent
        span.agent = (parent.agent if parent is not None else None) or roots.get(span.trace_id)

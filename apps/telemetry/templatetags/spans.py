"""Tags of the trace page."""

from django import template
from django.utils.safestring import SafeString

from apps.core.templatetags.shell import icon

register = template.Library()

ICONS = {
    "agent": "agent",
    "model": "model",
    "embedding": "model",
    "tool": "tool",
    "retrieval": "retrieval",
    "guardrail": "shield",
    "evaluation": "flask",
    "human": "human",
    "queue": "queue",
}
# The depth beyond which indentation stops, so that names stay readable.
DEEPEST_INDENT = 8


@register.simple_tag
def span_icon(kind: str) -> SafeString:
    """Draw the icon of a kind of step."""
    return icon(ICONS.get(kind, "step"))


@register.filter
def levels(depth: int) -> range:
    """Return something to loop over once per level of indentation."""
    return range(min(depth, DEEPEST_INDENT))

"""Tags of the pages of tasks and traces."""

import re

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from apps.core.templatetags.shell import icon
from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS

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
# A member's name at the beginning of a line of indented JSON, after escaping.
_MEMBER = re.compile(r"^(\s*)(&quot;.*?&quot;)(?=: )", re.MULTILINE)
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


@register.filter
def category(value: str | None) -> str:
    """Return an error's category or an escalation's reason as people say it."""
    names = {**ERROR_CATEGORIES, **ESCALATION_REASONS}
    return names.get(value or "", value or "")


@register.filter
def of(mapping: dict[str, object], key: str) -> object:
    """Return a mapping's value; None where it is missing."""
    return mapping.get(key)


@register.filter
def json_code(text: str) -> SafeString:
    """Escape a text and, where it is indented JSON, set its members' names apart."""
    return mark_safe(_MEMBER.sub(r"\1<b>\2</b>", conditional_escape(text)))  # noqa: S308 - escaped just before


@register.filter
def times(count: int) -> range:
    """Return something to loop over so many times."""
    return range(count)


@register.simple_tag
def span_kinds() -> list[tuple[str, str]]:
    """Return the kinds of steps that have a colour of their own, for the key of the picture."""
    return [
        ("model", "model"),
        ("tool", "tool"),
        ("agent", "agent"),
        ("human", "person"),
        ("queue", "queue"),
        ("error", "error"),
    ]

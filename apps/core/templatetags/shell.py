"""Tags and filters of every page: icons, verdicts, and how values read (core.formats)."""

from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import HttpRequest, QueryDict
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core import formats
from apps.core.icons import ICONS, VERDICTS

register = template.Library()

VERDICT_WORDS = {"healthy": "Healthy", "watch": "Watch", "unhealthy": "Unhealthy", "unknown": "No data"}

register.filter("count", formats.count)
register.filter("percent", formats.percent)
register.filter("whole_percent", formats.whole_percent)
register.filter("act_words", formats.act)
register.filter("points", formats.points)
register.filter("money", formats.money)
register.filter("duration", formats.duration)
register.filter("shortened", formats.shortened)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite; it says nothing to a screen reader."""
    if name not in ICONS:
        raise template.TemplateSyntaxError(f"no icon {name!r}: add it to core.icons.ICONS")
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag
def verdict(state: str, text: str = "", *, glyph: bool = False) -> SafeString:
    """Draw a verdict: shape, word and colour; as `glyph` the word is for screen readers only."""
    if state not in VERDICTS:
        raise template.TemplateSyntaxError(f"no verdict {state!r}: use {', '.join(VERDICTS)}")
    words = text or VERDICT_WORDS[state]
    shape = format_html(
        '<svg viewBox="0 0 16 16" aria-hidden="true"><use href="{}#v-{}"/></svg>', static("icons.svg"), state
    )
    if glyph:
        return format_html(
            '<span class="verdict" data-glyph data-verdict="{}" title="{}">{}<span class="sr">{}</span></span>',
            state,
            words,
            shape,
            words,
        )
    return format_html('<span class="verdict" data-verdict="{}">{}{}</span>', state, shape, words)


@register.simple_tag(takes_context=True)
def moment(context: dict[str, Any], at: datetime | None) -> SafeString:
    """Write a time in the reader's zone, with the exact one behind it."""
    if at is None:
        return format_html("{}", formats.UNKNOWN)
    text = formats.moment(at, now=timezone.now(), zone=_zone(context))
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", text)


@register.simple_tag
def ago(at: datetime | None) -> SafeString:
    """Write how long ago something was."""
    if at is None:
        return format_html("{}", formats.UNKNOWN)
    text = formats.ago(at, now=timezone.now())
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", text)


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """Return the address's query with some values changed (None takes one out): `?{% query page=2 %}`."""
    request: HttpRequest | None = context.get("request")
    values = request.GET.copy() if request else QueryDict(mutable=True)
    for key, value in changes.items():
        if value is None or value == "":
            values.pop(key, None)
        else:
            values[key] = str(value)
    return values.urlencode()


def _zone(context: dict[str, Any]) -> tzinfo:
    user = getattr(context.get("request"), "user", None)
    return ZoneInfo(getattr(user, "time_zone", "UTC"))

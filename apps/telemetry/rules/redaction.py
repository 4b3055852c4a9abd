"""Take out what must not be stored, before it is stored. No Django here.

Patterns are RE2 expressions: their running time is linear in the text, so that one organization's pattern cannot hold
up the ingest of all others.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import re2

from apps.telemetry.normal import NormalSpan

LONGEST_PATTERN = 500


class RedactionError(ValueError):
    """A pattern that RE2 does not accept; the message says why."""


class Redaction(NamedTuple):
    """An attribute key whose value goes, or a pattern that goes wherever it stands."""

    key: str
    pattern: str
    replacement: str


def check_pattern(pattern: str) -> None:
    """Raise RedactionError for a pattern that cannot be used."""
    try:
        compiled = re2.compile(pattern)
    except re2.error as error:
        raise RedactionError(f"not a regular expression that RE2 knows: {error}") from error
    if compiled.match(""):
        raise RedactionError("the pattern matches an empty text, so it would match everywhere")


class Redactor:
    """The rules of one organization, compiled."""

    def __init__(self, rules: Iterable[Redaction]) -> None:
        rules = list(rules)
        self._keys = {rule.key.lower(): rule.replacement for rule in rules if rule.key}
        self._patterns = [(re2.compile(rule.pattern), rule.replacement) for rule in rules if rule.pattern]

    def __bool__(self) -> bool:
        return bool(self._keys or self._patterns)

    def redact(self, span: NormalSpan) -> None:
        """Replace in place: texts, contents, attributes and events."""
        span.name = self.text(span.name)
        for field in ("status_message", "input", "output", "user_id", "conversation_id"):
            value = getattr(span, field)
            if value is not None:
                setattr(span, field, self._keys.get(field, self.text(value)))
        span.attributes = self._mapping(span.attributes)
        if span.events:
            span.events = [{**event, "attributes": self._mapping(event["attributes"])} for event in span.events]

    def text(self, text: str) -> str:
        """Return a text with what the patterns match replaced."""
        for pattern, replacement in self._patterns:
            text = pattern.sub(replacement.replace("\\", "\\\\"), text)
        return text

    def _mapping(self, values: dict[str, Any]) -> dict[str, Any]:
        return {key: self._keys.get(key.lower(), None) or self._any(value) for key, value in values.items()}

    def _any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, list):
            return [self._any(item) for item in value]
        return value


# What many organizations must not keep; each is added with one click and can be changed like any other rule.
SUGGESTIONS = {
    "E-mail addresses": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "Card numbers": r"\b(?:\d[ -]?){13,16}\b",
    "Bearer tokens": r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{12,}",
    "Secret keys": r"\b(?:sk|pk|ghp|xoxb|AKIA)[-_A-Za-z0-9]{16,}\b",
    "US social security numbers": r"\b\d{3}-\d{2}-\d{4}\b",
    "IBAN": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
}


def redact_text(text: str, rules: Iterable[Redaction]) -> str:
    """Return a text as it would be stored."""
    return Redactor(rules).text(text)

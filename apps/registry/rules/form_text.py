"""Parts of a design as the text of a form field: one entry a line, limits as `name: value`.

What a field cannot show exactly (an entry of several lines) is told by `fits`, and stays as it is.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from apps.registry.rules.tree import Problem, Refused, read_yaml

_PLAIN_NAME = re.compile(r"[A-Za-z_][\w .-]*")


def to_lines(value: list[Any] | None) -> str:
    """Return a list of texts, one a line."""
    return "\n".join(str(item) for item in value or [])


def from_lines(text: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def to_limits(value: list[Any] | None) -> str:
    """Return restrictions, one a line: a word, or `max_records_per_query: 100`."""
    return "\n".join(
        item if isinstance(item, str) else ", ".join(f"{_name(name)}: {_json(limit)}" for name, limit in item.items())
        for item in value or []
    )


def from_limits(text: str) -> list[Any]:
    """Return restrictions from lines; raises Refused naming the line that cannot be read."""
    found: list[Any] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        if not word:
            continue
        if ": " not in word:
            found.append(word)
            continue
        try:
            node = read_yaml(word)
            found.append(node.plain(problems) if node.is_mapping else word)
        except Refused:
            problems.append(Problem(f"Line {number}: write a word, or a limit like max_records_per_query: 100."))
    if problems:
        raise Refused(problems)
    return found


def to_pairs(value: dict[str, str] | None) -> str:
    """Return a mapping of texts, `action: who` a line."""
    return "\n".join(f"{key}: {who}" for key, who in (value or {}).items())


def from_pairs(text: str) -> dict[str, str]:
    """Return a mapping from lines; raises Refused naming the line without a colon."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, colon, who = line.partition(":")
        if not colon or not key.strip() or not who.strip():
            raise Refused(
                [Problem(f"Line {number}: write action: who approves, for example refund: manager_approval.")]
            )
        if key.strip() in found:
            raise Refused([Problem(f"Line {number}: “{key.strip()}” stands twice; keep one of them.")])
        found[key.strip()] = who.strip()
    return found


WRITERS: dict[str, Callable[[Any], str]] = {"lines": to_lines, "limits": to_limits, "pairs": to_pairs}
READERS: dict[str, Callable[[str], Any]] = {"lines": from_lines, "limits": from_limits, "pairs": from_pairs}


def fits(kind: str, value: Any) -> bool:
    """Tell whether a field of this kind shows the value exactly."""
    if not value:
        return True
    try:
        return READERS[kind](WRITERS[kind](value)) == value
    except Refused:
        return False


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _json(name)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

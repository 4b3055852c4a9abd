"""What changed between two designs: per field, in words, and line by line."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.registry.rules.document import Document
from apps.registry.rules.names import next_version
from apps.registry.rules.writing import plain

# Lists whose entries have a name: an entry is followed by it, not by its place in the list.
_NAMED = {"tools": "name", "success_metrics": "metric"}
_WORDS = {
    "id": "id",
    "in_scope": "in scope",
    "hitl_requirements": "human oversight",
    "max_cost_per_task": "cost limit per task, USD",
    "max_duration_seconds": "time limit per task, seconds",
}
# A change here may break whoever relies on the agent, or lets it do more than it was allowed to.
_MAJOR = (
    "id",
    "scope",
    "capabilities",
    "tools",
    "restrictions",
    "approval_requirements",
    "security",
    "hitl_requirements",
)
_PATCH = ("owner", "purpose", "success_metrics")


@dataclass(frozen=True)
class Change:
    """One difference: where, what it was (None: nothing), what it is."""

    path: str
    old: Any
    new: Any

    @property
    def kind(self) -> str:
        """Tell added, removed or changed."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        where = label(self.path)
        if self.kind == "added":
            return f"{where}: added {text(self.new)}"
        if self.kind == "removed":
            return f"{where}: removed {text(self.old)}"
        return f"{where}: {text(self.old)} → {text(self.new)}"


@dataclass(frozen=True)
class Line:
    """A line of two texts compared: kept, removed or added, with its numbers in both."""

    kind: str  # same | removed | added | gap
    text: str
    old_number: int | None = None
    new_number: int | None = None


def changes(old: Document, new: Document) -> list[Change]:
    """Return what changed, in the order of the design; the version label itself is not a change."""
    before, after = plain(old), plain(new)
    before.pop("version", None)
    after.pop("version", None)
    return list(_compare("", before, after))


def data_changes(old: Any, new: Any) -> list[Change]:
    """Return the differences of two JSON values."""
    return list(_compare("", old, new))


def label(path: str) -> str:
    """Return a path in words: `tools[refund].risk_level` → “Tools refund, risk level”."""
    entry = re.fullmatch(r"(\w+)\[(.*)\](?:\.(.*))?", path, re.DOTALL)
    if entry:
        parts = [f"{_words(entry[1])} {entry[2]}", *map(_words, (entry[3] or "").split("."))]
    else:
        parts = [_words(part) for part in path.split(".")]
    words = ", ".join(filter(None, parts))
    return words[:1].upper() + words[1:]


def _words(key: str) -> str:
    return _WORDS.get(key, key.replace("_", " "))


def text(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, str):
        return f"“{value}”"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(text(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def proposed_step(found: list[Change]) -> str:
    """Return which number of the version such changes should raise: major, minor or patch."""
    tops = {change.path.split(".")[0].split("[")[0] for change in found}
    if tops & set(_MAJOR):
        return "major" if any(change.kind == "removed" for change in found) else "minor"
    return "patch" if tops <= set(_PATCH) else "minor"


def proposed_version(highest: str | None, found: list[Change]) -> str:
    """Return the version label that fits the changes."""
    return next_version(highest, step=proposed_step(found))


def lines(old: str, new: str, *, context: int = 3) -> list[Line]:
    """Compare two texts line by line; long unchanged stretches become a gap."""
    before, after = old.splitlines(), new.splitlines()
    found: list[Line] = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(context):
        if found or group[0][1] > 0:
            found.append(Line("gap", ""))
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                found += [
                    Line("same", before[old_start + step], old_start + step + 1, new_start + step + 1)
                    for step in range(old_end - old_start)
                ]
                continue
            found += [Line("removed", before[number], number + 1, None) for number in range(old_start, old_end)]
            found += [Line("added", after[number], None, number + 1) for number in range(new_start, new_end)]
    return found


def _compare(path: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _compare(f"{path}.{key}".lstrip("."), old.get(key), new.get(key))
    elif isinstance(old, list | None) and isinstance(new, list | None) and (old or new):
        yield from _compare_lists(path, old or [], new or [])
    elif isinstance(old, dict | None) and isinstance(new, dict | None) and "[" not in path:
        yield from _compare(path, old or {}, new or {})
    else:
        yield Change(path, old, new)


def _compare_lists(path: str, old: list, new: list) -> Iterator[Change]:
    key = _NAMED.get(path)
    if path == "restrictions":
        yield from _compare_restrictions(old, new)
    elif key:
        before, after = ({str(item.get(key)): item for item in items} for items in (old, new))
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _compare(f"{path}[{name}]", before.get(name), after.get(name))
    elif all(isinstance(item, str) for item in [*old, *new]):
        yield from (Change(path, item, None) for item in old if item not in new)
        yield from (Change(path, None, item) for item in new if item not in old)
        if sorted(old) == sorted(new):
            yield Change(path, old, new)
    else:
        yield Change(path, old or None, new or None)
        return
    if key and [item.get(key) for item in old] != [item.get(key) for item in new]:
        before_names = [item[key] for item in old if any(item[key] == other[key] for other in new)]
        after_names = [item[key] for item in new if any(item[key] == other[key] for other in old)]
        if before_names != after_names:
            yield Change(f"{path} order", before_names, after_names)


def _compare_restrictions(old: list, new: list) -> Iterator[Change]:
    """Compare words by themselves and limits by their name."""
    before, after = (
        {item if isinstance(item, str) else next(iter(item)): item for item in items} for items in (old, new)
    )
    for name in [*before, *(name for name in after if name not in before)]:
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        if isinstance(was, str | None) and isinstance(now, str | None):
            yield Change("restrictions", was, now)
        else:
            values = [item.get(name) if isinstance(item, dict) else item for item in (was, now)]
            yield Change(f"restrictions[{name}]", *values)

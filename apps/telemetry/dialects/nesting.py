"""Nesting: lists that a client flattened into names (`llm.input_messages.0.message.role`), put together again."""

from typing import Any

LARGEST_INDEX_DIGITS = 5


def nested(members: dict[str, Any]) -> Any:
    """Return the structure that names like `0.message.role` describe.

    >>> nested({"0.role": "user", "1.role": "tool"})
    [{'role': 'user'}, {'role': 'tool'}]
    """
    root: dict[str, Any] = {}
    for path in sorted(members):
        place = root
        *above, last = path.split(".")
        for step in above:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                inner = place[step] = {"": inner}
            place = inner
        place[last] = members[path]
    return _listed(root)


def _listed(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict) or depth > 100:
        return value
    items = {key: _listed(item, depth + 1) for key, item in value.items()}
    if items and all(key.isascii() and key.isdigit() and len(key) <= LARGEST_INDEX_DIGITS for key in items):
        return [items[key] for key in sorted(items, key=int)]
    return items

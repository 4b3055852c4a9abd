"""Conversations inside inputs and outputs: the shapes that models' messages travel in, as role and text. No Django."""

import json
from typing import Any, NamedTuple


class Message(NamedTuple):
    """One turn: who says it, what, and whether it is code rather than prose."""

    role: str
    text: str
    is_code: bool = False


# Where lists of messages stand inside an object.
_LISTS = ("messages", "input", "choices", "output")


def messages(text: str | None) -> list[Message]:
    """Return the turns of a conversation written as JSON; an empty list if the text is something else.

    Understands `content` as text or as parts (OpenAI, Anthropic), `parts` (OpenTelemetry, Gemini) and tool calls.
    """
    if not text or text[:1] not in "[{":
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(found, dict):
        found = next((found[name] for name in _LISTS if isinstance(found.get(name), list)), [found])
    turns = []
    for item in found if isinstance(found, list) else []:
        turn = _turn(item)
        if turn is None:
            return []
        turns.append(turn)
    return turns


def _turn(item: Any) -> Message | None:
    if isinstance(item, dict) and isinstance(item.get("message"), dict):
        item = item["message"]
    if not isinstance(item, dict) or not isinstance(item.get("role"), str):
        return None
    content = item["content"] if "content" in item else item.get("parts")
    called = item.get("tool_calls")
    calls = called if isinstance(called, list) else []
    if isinstance(content, str) and not calls:
        return Message(item["role"], content, content[:1] in ("{", "[") and _is_json(content))
    pieces = [_piece(part) for part in content] if isinstance(content, list) else [content or ""]
    pieces += [_piece(call) for call in calls]
    text = "\n".join(piece for piece in pieces if isinstance(piece, str) and piece)
    return Message(item["role"], text) if text else None


def _piece(part: Any) -> str:
    """Return one part of a turn: its text, or the call of a tool as name(arguments)."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    for name in ("text", "content"):
        if isinstance(part.get(name), str):
            return part[name]
    inner = part.get("function")
    call: dict[str, Any] = inner if isinstance(inner, dict) else part
    if isinstance(call.get("name"), str):
        arguments = call.get("arguments", call.get("input", ""))
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return f"→ {call['name']}({written})"
    if "response" in part or "result" in part:
        answer = part.get("response", part.get("result"))
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return f"[{part.get('type', 'part')}]"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

"""Metadata: what people add by hand, under whatever names they like; these words are understood in it."""

from collections.abc import Callable
from typing import Any

from apps.telemetry.dialects.values import Found, as_json, unquoted

WORDS = {
    "lc_agent_name": "agent",
    "agent_name": "agent",
    "agent_id": "agent",
    "agent_version": "agent_version",
    "environment": "environment",
    "task_id": "task_id",
    "task.id": "task_id",
    "taskId": "task_id",
    "task_type": "task_type",
    "taskType": "task_type",
    "conversation_id": "conversation_id",
    "conversationId": "conversation_id",
    "thread_id": "conversation_id",
    "threadId": "conversation_id",
    "session_id": "conversation_id",
    "sessionId": "conversation_id",
    "user_id": "user_id",
    "userId": "user_id",
    "initiated_by": "user_id",
    "escalation_reason": "escalation_reason",
}


def read_metadata(found: Found, value: Any) -> None:
    """Read a whole object of metadata, given as such or as JSON text."""
    whole = as_json(unquoted(value))
    if isinstance(whole, dict):
        for word, field in WORDS.items():
            if word in whole and field not in found and isinstance(whole[word], str | int | float):
                found[field] = whole[word]


def read_word(word: str) -> Callable[[Found, Any], None] | None:
    """Return the reader of a single entry of metadata, None for words that mean nothing here."""
    field = WORDS.get(word)
    if field is None:
        return None

    def read(found: Found, value: Any) -> None:
        found[field] = unquoted(value)

    return read

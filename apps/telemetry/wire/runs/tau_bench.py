"""tau-bench: a list of {task_id, trial, reward, info, traj}, OpenAI chat messages without times, tokens or cost."""

from collections.abc import Iterator
from typing import Any

from apps.telemetry.dialects.values import as_text
from apps.telemetry.wire.runs import Call, Message, Run, content_key


def read(content: Any, *, agent: str | None, model: str | None, zone: Any) -> Iterator[Run]:
    """Yield the runs of a file; raises ValueError for another format."""
    if not isinstance(content, list) or not all(isinstance(item, dict) and "traj" in item for item in content):
        raise ValueError("not a tau-bench file: a list of objects with `traj` is expected")
    for item in content:
        yield Run(
            key=content_key({name: item[name] for name in ("task_id", "trial", "traj") if name in item}),
            agent=agent or "tau-bench-agent",
            task_type="customer service",
            model=model,
            provider=None,
            messages=[_message(message) for message in item["traj"]],
            success=item.get("reward") == 1.0 if item.get("reward") is not None else None,
            label=f"tau-bench task {item.get('task_id')} trial {item.get('trial')}",
        )


def _message(message: dict[str, Any]) -> Message:
    calls = [
        Call(call.get("id") or "", call["function"]["name"], as_text(call["function"].get("arguments")) or "")
        for call in message.get("tool_calls") or ()
    ]
    return Message(message["role"], as_text(message.get("content")), calls, call_id=message.get("tool_call_id"))

"""tau2-bench: {info, simulations: [{id, messages, reward_info, termination_reason, …}]}; times and usage if known."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from apps.telemetry.dialects.values import as_decimal, as_text, as_tokens
from apps.telemetry.wire.runs import Call, Message, Run, content_key

# Ends that are the agent's failure; every other one is an end of the conversation.
FAILURES = frozenset({"max_steps", "too_many_errors", "agent_error", "error", "infrastructure_error"})


def read(content: Any, *, agent: str | None, model: str | None, zone: tzinfo) -> Iterator[Run]:
    """Yield the runs of a file; times without a zone are those of `zone`. Raises ValueError for another format."""
    if not isinstance(content, dict) or not isinstance(content.get("simulations"), list):
        raise ValueError("not a tau2 file: an object with `simulations` is expected")
    info = content.get("info") or {}
    domain = (info.get("environment_info") or {}).get("domain_name") or "tau2"
    named = model or (info.get("agent_info") or {}).get("llm")
    provider, _, short = (named or "").rpartition("/")
    for simulation in content["simulations"]:
        reward = (simulation.get("reward_info") or {}).get("reward")
        ended = simulation.get("termination_reason")
        yield Run(
            key=content_key({"id": simulation.get("id"), "messages": simulation["messages"]}),
            agent=agent or f"{domain}-agent",
            task_type=domain,
            model=short or None,
            provider=provider or None,
            messages=[_message(message, zone) for message in simulation["messages"]],
            success=None if reward is None else reward == 1.0,
            failure=ended if ended in FAILURES else None,
            label=f"tau2 {domain} {simulation.get('task_id')} trial {simulation.get('trial')}",
        )


def _message(message: dict[str, Any], zone: tzinfo) -> Message:
    usage = message.get("usage") or {}
    cost = as_decimal(message.get("cost"))
    return Message(
        message["role"],
        as_text(message.get("content")),
        [
            Call(
                call.get("id") or "",
                call["name"],
                as_text(call.get("arguments")) or "",
                call.get("requestor") or "assistant",
            )
            for call in message.get("tool_calls") or ()
        ],
        call_id=message.get("id"),
        at=_moment(message.get("timestamp"), zone),
        input_tokens=as_tokens(usage.get("prompt_tokens")),
        output_tokens=as_tokens(usage.get("completion_tokens")),
        # Free tiers and unknown models report 0: that is no price.
        cost=cost or None,
        is_error=bool(message.get("error")),
    )


def _moment(text: str | None, zone: tzinfo) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)

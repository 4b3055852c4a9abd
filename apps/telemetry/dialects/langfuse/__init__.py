"""Langfuse's own attributes (langfuse.*). Its usage details stand beside each other: `input` is without the cache."""

from typing import Any

from apps.telemetry.dialects.values import Found, as_decimal, as_json, as_tokens

FIELDS = {
    "langfuse.observation.type": "kind",
    "langfuse.observation.model.name": "model",
    "langfuse.observation.input": "input",
    "langfuse.observation.output": "output",
    "langfuse.observation.status_message": "status_message",
    "langfuse.session.id": "conversation_id",
    "langfuse.user.id": "user_id",
    "langfuse.environment": "environment",
    "langfuse.release": "agent_version",
    "langfuse.trace.name": "task_type",
}

KINDS = {
    "generation": "model",
    "embedding": "embedding",
    "agent": "agent",
    "tool": "tool",
    "chain": "step",
    "retriever": "retrieval",
    "evaluator": "evaluation",
    "guardrail": "guardrail",
    "span": "step",
    "event": "step",
}

METADATA = ("langfuse.trace.metadata.", "langfuse.observation.metadata.")

_CACHE_READ = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read")
_CACHE_WRITE = ("cache_creation_input_tokens", "input_cache_creation")
_REASONING = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning")


def _usage(found: Found, value: Any) -> None:
    usage = as_json(value)
    if not isinstance(usage, dict):
        return
    read = sum(as_tokens(usage.get(key)) or 0 for key in _CACHE_READ)
    write = sum(as_tokens(usage.get(key)) or 0 for key in _CACHE_WRITE)
    reasoning = sum(as_tokens(usage.get(key)) or 0 for key in _REASONING)
    plain = as_tokens(usage.get("input", usage.get("prompt_tokens")))
    output = as_tokens(usage.get("output", usage.get("completion_tokens")))
    # A sum without them says that this client counts them inside.
    is_inside = plain is not None and output is not None and as_tokens(usage.get("total")) == plain + output
    if plain is not None:
        found["input_tokens"] = plain if is_inside else plain + read + write
    if output is not None:
        found["output_tokens"] = output if is_inside else output + reasoning
    if read:
        found["cache_read_tokens"] = read
    if write:
        found["cache_write_tokens"] = write
    if reasoning:
        found["reasoning_tokens"] = reasoning


def _cost(found: Found, value: Any) -> None:
    costs = as_json(value)
    if isinstance(costs, dict):
        amounts = [as_decimal(costs["total"])] if "total" in costs else [as_decimal(v) for v in costs.values()]
        known = [amount for amount in amounts if amount is not None]
        if known:
            found["reported_cost_usd"] = sum(known[1:], known[0])


def _level(found: Found, value: Any) -> None:
    if value == "ERROR":
        found["status"] = "error"


READERS = {
    "langfuse.observation.usage_details": _usage,
    "langfuse.observation.cost_details": _cost,
    "langfuse.observation.level": _level,
}

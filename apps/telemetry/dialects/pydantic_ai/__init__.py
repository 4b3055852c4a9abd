"""pydantic-ai and Logfire beside the GenAI names: sums on the agent's span, deferred approvals in its result."""

from typing import Any

from apps.telemetry.dialects.values import Found, as_decimal, as_json

FIELDS = {
    "model_name": "request_model",
    "gen_ai.aggregated_usage.input_tokens": "input_tokens",
    "gen_ai.aggregated_usage.output_tokens": "output_tokens",
    "gen_ai.aggregated_usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.aggregated_usage.details.cache_read_tokens": "cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens": "cache_read_tokens",
    "gen_ai.usage.details.cache_write_tokens": "cache_write_tokens",
    "gen_ai.usage.details.reasoning_tokens": "reasoning_tokens",
    "tool_arguments": "input",
    "tool_response": "output",
}


def _result(found: Found, value: Any) -> None:
    found.setdefault("output", value)
    # A run that defers tool calls to a person ends with the list of what waits for approval.
    if isinstance(value, str) and '"approvals"' in value:
        result = as_json(value)
        if isinstance(result, dict) and result.get("approvals"):
            found["status"] = "waiting"
            found.setdefault("escalation_reason", "approval_required")
        elif isinstance(result, dict) and result.get("calls"):
            # Calls that another program executes: the run waits, but not for a person.
            found["status"] = "waiting"
            found["waits_for_program"] = True


def _cost(found: Found, value: Any) -> None:
    if (amount := as_decimal(value)) is not None:
        found.setdefault("reported_cost_usd", amount)


def _agent(found: Found, value: Any) -> None:
    # Releases before 1.0 name no operation; without this their agent's sums would pass for a model call.
    found["agent"] = value
    found["likely_kind"] = "agent"


def _messages(found: Found, value: Any) -> None:
    found["input"] = value
    found["likely_kind"] = "agent"


READERS = {
    "agent_name": _agent,
    "pydantic_ai.all_messages": _messages,
    "all_messages_events": _messages,
    "final_result": _result,
    "operation.cost": _cost,
}

"""MLflow's tracing attributes (mlflow.*); every value is JSON text, names included."""

from typing import Any

from apps.telemetry.dialects.values import Found, as_decimal, as_json, as_text, as_tokens

FIELDS = {
    "mlflow.spanInputs": "input",
    "mlflow.spanOutputs": "output",
    "mlflow.trace.session": "conversation_id",
    "mlflow.trace.user": "user_id",
}

_KINDS = {
    "LLM": "model",
    "CHAT_MODEL": "model",
    "EMBEDDING": "embedding",
    "AGENT": "agent",
    "TOOL": "tool",
    "CHAIN": "step",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "WORKFLOW": "agent",
}


def _kind(found: Found, value: Any) -> None:
    found["kind"] = str(as_json(value))
    found["mapped_kind"] = _KINDS.get(found["kind"], "step")


def _function(found: Found, value: Any) -> None:
    found.setdefault("function", as_text(as_json(value)))


def _model(found: Found, value: Any) -> None:
    found.setdefault("model", as_text(as_json(value)))


def _provider(found: Found, value: Any) -> None:
    found.setdefault("provider", as_text(as_json(value)))


def _usage(found: Found, value: Any) -> None:
    usage = as_json(value)
    if isinstance(usage, dict):
        for key, field in (
            ("input_tokens", "input_tokens"),
            ("output_tokens", "output_tokens"),
            ("cache_read_input_tokens", "cache_read_tokens"),
            ("cache_creation_input_tokens", "cache_write_tokens"),
            ("total_tokens", "total_tokens"),
        ):
            if (tokens := as_tokens(usage.get(key))) is not None:
                found.setdefault(field, tokens)


def _cost(found: Found, value: Any) -> None:
    cost = as_json(value)
    if isinstance(cost, dict) and (amount := as_decimal(cost.get("total_cost"))) is not None:
        found.setdefault("reported_cost_usd", amount)


READERS = {
    "mlflow.spanType": _kind,
    "mlflow.spanFunctionName": _function,
    "mlflow.llm.model": _model,
    "mlflow.llm.provider": _provider,
    "mlflow.chat.tokenUsage": _usage,
    "mlflow.llm.cost": _cost,
}

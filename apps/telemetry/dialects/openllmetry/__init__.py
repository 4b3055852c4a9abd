"""OpenLLMetry, which the Traceloop SDK sends beside the GenAI names (traceloop.*)."""

FIELDS = {
    "traceloop.span.kind": "kind",
    "traceloop.entity.input": "input",
    "traceloop.entity.output": "output",
    "traceloop.workflow.name": "task_type",
    "traceloop.entity.name": "node",
    "llm.request.model": "request_model",
    "llm.response.model": "model",
    "llm.vendor": "provider",
    "llm.usage.prompt_tokens": "input_tokens",
    "llm.usage.completion_tokens": "output_tokens",
    "llm.usage.total_tokens": "total_tokens",
    "llm.usage.cache_read_input_tokens": "cache_read_tokens",
    "llm.usage.cache_creation_input_tokens": "cache_write_tokens",
}

KINDS = {"workflow": "agent", "agent": "agent", "tool": "tool", "task": "step", "unknown": "step"}

METADATA = ("traceloop.association.properties.",)

NESTED = ("llm.request.functions.",)

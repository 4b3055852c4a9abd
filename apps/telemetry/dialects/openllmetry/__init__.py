"""OpenLLMetry, which the Traceloop SDK sends beside the GenAI names (traceloop.*)."""

FIELDS = {
    "traceloop.span.kind": "kind",
    "traceloop.entity.input": "input",
    "traceloop.entity.output": "output",
    "traceloop.association.properties.session_id": "conversation_id",
    "traceloop.association.properties.user_id": "user_id",
    "traceloop.workflow.name": "task_type",
    "llm.usage.cache_read_input_tokens": "cache_read_tokens",
}

KINDS = {"workflow": "agent", "agent": "agent", "tool": "tool", "task": "step", "unknown": "step"}

"""The AgentOps SDK (agentops.span.kind, agentops.<kind>.input)."""

FIELDS = {
    "agentops.span.kind": "kind",
    "agentops.tool.input": "input",
    "agentops.task.input": "input",
    "agentops.entity.input": "input",
    "agentops.operation.input": "input",
    "agentops.tool.output": "output",
    "agentops.task.output": "output",
    "agentops.entity.output": "output",
    "agentops.operation.output": "output",
    "operation.name": "function",
}

KINDS = {
    "session": "agent",
    "workflow": "agent",
    "agent": "agent",
    "tool": "tool",
    "task": "step",
    "operation": "step",
    "llm": "model",
    "guardrail": "guardrail",
}


def _end_state(found, value) -> None:
    if str(value).rpartition(".")[2].lower() in ("fail", "failure", "error"):
        found["status"] = "error"


READERS = {"agentops.session.end_state": _end_state}

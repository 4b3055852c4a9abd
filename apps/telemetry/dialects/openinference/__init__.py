"""OpenInference, which Phoenix and many instrumentations send (llm.*, openinference.span.kind)."""

FIELDS = {
    "openinference.span.kind": "kind",
    "agent.name": "agent",
    "session.id": "conversation_id",
    "user.id": "user_id",
    "llm.provider": "provider",
    "llm.system": "provider",
    "llm.model_name": "model",
    "embedding.model_name": "model",
    "tool.name": "tool",
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cache_read_tokens",
    "llm.token_count.prompt_details.cache_write": "cache_write_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning_tokens",
    "llm.token_count.total": "total_tokens",
    "llm.cost.total": "reported_cost_usd",
    "graph.node.id": "node",
    "input.value": "input",
    "output.value": "output",
}

KINDS = {
    "LLM": "model",
    "EMBEDDING": "embedding",
    "CHAIN": "step",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "PROMPT": "step",
}

METADATA = ("metadata", "metadata.")

# Flattened lists. Where `input.value` and `output.value` are missing, the messages stand in for them.
NESTED = (
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.prompts.",
    "llm.tools.",
    "retrieval.documents.",
    "reranker.input_documents.",
    "reranker.output_documents.",
    "embedding.embeddings.",
)

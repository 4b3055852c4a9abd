"""Which entry of the price table a span means: instrumentations name providers and models in many ways.

All knowledge is data. `candidates` turns what was sent into the references to try, best first; the table decides which
of them exists.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# As sent (lower case, spaces and underscores as hyphens) → id in the price table.
PROVIDERS = {
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure": "azure",
    "azure-ai": "azure",
    "azure-ai-foundry": "azure",
    "azure-ai-inference": "azure",
    "azure-openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "microsoft": "azure",
    "microsoft.foundry": "azure",
    "amazon-bedrock": "aws",
    "anthropic-bedrock": "aws",
    "aws": "aws",
    "aws-bedrock": "aws",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "bedrock-converse": "aws",
    "chat-anthropic": "anthropic",
    "claude": "anthropic",
    "cohere-chat": "cohere",
    "deepseek": "deepseek",
    "deepseek-ai": "deepseek",
    "fireworks": "fireworks",
    "fireworks-ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen-ai": "google",
    "gcp.vertex-ai": "google",
    "gcp.vertex.agent": "google",
    "gemini": "google",
    "google": "google",
    "google-genai": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "google-vertexai": "google",
    "vertex": "google",
    "vertex-ai": "google",
    "vertexai": "google",
    "github": "github-copilot",
    "grok": "x-ai",
    "groq": "groq",
    "mistral": "mistral",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "openai": "openai",
    "openai-responses": "openai",
    "openai.responses": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "pplx": "perplexity",
    "together": "together",
    "together-ai": "together",
    "togetherai": "together",
    "voyage": "voyageai",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "z-ai": "zai",
}

# Model servers that run on the organization's own machines: nobody bills tokens, and the price of the same model
# elsewhere says nothing. They are unpriced until the organization sets a price.
SELF_HOSTED = frozenset(
    {
        "hosted-vllm",
        "llama.cpp",
        "llamacpp",
        "lm-studio",
        "lmstudio",
        "local",
        "localai",
        "mlx",
        "ollama",
        "ollama-chat",
        "sglang",
        "tgi",
        "transformers",
        "vllm",
    }
)

# Gateways say nothing about who bills; the model's own prefix does.
GATEWAYS = frozenset({"litellm", "litellm-proxy", "portkey", "gateway", "langchain", "unknown", "custom", "other"})

# Ways of writing one model: what matches is dropped.
_RESOURCE_PATH = re.compile(r"^.*(?:publishers/[^/]+/models/|(?:foundation-model|inference-profile)/)")
_PLAIN_PREFIX = re.compile(r"^models/")
_SNAPSHOT = re.compile(r"(?:[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})|[-:@]latest)$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reference to try: the provider's id in the table (None: whoever is known for the model) and how it came."""

    provider: str | None
    model: str
    note: str = ""


def spelled(provider: str) -> str:
    """Return a provider's name in the spelling of the tables above."""
    return provider.strip().lower().replace("_", "-").replace(" ", "-")


def provider_id(provider: str | None) -> str | None:
    """Return the table's id of a provider as sent, the name itself where no alias is known, None for a gateway."""
    if not provider:
        return None
    name = spelled(provider)
    if not name or name in GATEWAYS:
        return None
    if name in PROVIDERS:
        return PROVIDERS[name]
    # "openai.chat", "anthropic.messages", "aws.bedrock-runtime": the family before the dot names who bills.
    head = name.partition(".")[0]
    return PROVIDERS.get(head, name)


def is_self_hosted(provider: str | None, model: str) -> bool:
    """Tell whether the call went to a model server of the organization's own."""
    if provider and spelled(provider) in SELF_HOSTED:
        return True
    head, slash, _ = model.partition("/")
    return bool(slash) and spelled(head) in SELF_HOSTED


def candidates(provider: str | None, model: str) -> Iterator[Candidate]:
    """Yield the references to look up, the most literal first."""
    name = model.strip().lower()
    if not name or is_self_hosted(provider, name):
        return
    stated = provider_id(provider)
    forms = list(_forms(name))
    if stated:
        for form in forms:
            yield Candidate(stated, form)
    head, slash, rest = name.partition("/")
    prefix = PROVIDERS.get(spelled(head)) or (spelled(head) if slash else None)
    if slash and rest:
        note = "" if stated in (None, prefix) else "by the model's prefix"
        for form in _forms(rest):
            yield Candidate(prefix, form, note)
    for form in forms:
        yield Candidate(None, form, "by the model's name" if stated else "")
    if stated or prefix:
        for form in _forms(rest if slash else name):
            yield Candidate(None, form, "by the model's name")
    undated = _SNAPSHOT.sub("", rest if slash and prefix in (stated, None) else name)
    if undated not in forms:
        yield Candidate(stated or prefix, undated, "by the undated model")
        yield Candidate(None, undated, "by the undated model")


def _forms(name: str) -> Iterator[str]:
    yield name
    for pattern in (_RESOURCE_PATH, _PLAIN_PREFIX):
        short = pattern.sub("", name)
        if short != name and short:
            yield short

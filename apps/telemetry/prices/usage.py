"""Read a provider's `usage` object: the same tokens under many names and in two ways of counting.

In one way the cache is inside the input count (OpenAI, Gemini), in the other beside it (Anthropic, Bedrock). Here both
become the first. Each API's way is a row of CONVENTIONS; a body is read by the first row whose marks it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from apps.telemetry.prices.names import provider_id
from apps.telemetry.prices.table import SPECIAL_ATTRIBUTE, SPECIAL_UNITS

Path = tuple[str, ...]


class Tokens(msgspec.Struct, frozen=True):
    """Token counts of one call. `input` includes cache reads and writes, `output` includes reasoning.

    `special` holds counts with prices of their own (audio, images, one-hour cache writes), contained in the others;
    `reported_cost_usd` is what the provider or gateway wrote beside them; `convention` names the row that read it.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    special: dict[str, int] = {}
    reported_cost_usd: Decimal | None = None
    convention: str = ""


@dataclass(frozen=True, slots=True)
class Convention:
    """One API's way to say what a call used. Of several paths the first with a number counts; `added` ones are summed.

    `marks` are alternatives: a body is of this kind if it has all the keys of one of them.
    """

    name: str
    marks: tuple[tuple[Path, ...], ...]
    input: tuple[Path, ...]
    output: tuple[Path, ...]
    cache_read: tuple[Path, ...] = ()
    cache_write: tuple[Path, ...] = ()
    reasoning: tuple[Path, ...] = ()
    input_added: tuple[tuple[Path, ...], ...] = ()
    output_added: tuple[tuple[Path, ...], ...] = ()
    special: tuple[tuple[str, Path], ...] = ()


def _paths(*dotted: str) -> tuple[Path, ...]:
    return tuple(tuple(path.split(".")) for path in dotted)


def _marks(*alternatives: str) -> tuple[tuple[Path, ...], ...]:
    return tuple(_paths(*alternative.split()) for alternative in alternatives)


_BESIDE_READ = _paths("cache_read_input_tokens")
_BESIDE_WRITE = _paths("cache_creation_input_tokens")
_BEDROCK_READ = _paths("cacheReadInputTokens", "cacheReadTokens", "cacheReadInputTokenCount")
_BEDROCK_WRITE = _paths("cacheWriteInputTokens", "cacheWriteTokens", "cacheWriteInputTokenCount")

CONVENTIONS = (
    Convention(
        "gemini",
        _marks("promptTokenCount", "candidatesTokenCount", "totalTokenCount"),
        input=_paths("promptTokenCount"),
        output=_paths("candidatesTokenCount", "responseTokenCount"),
        cache_read=_paths("cachedContentTokenCount"),
        reasoning=_paths("thoughtsTokenCount"),
        input_added=(_paths("toolUsePromptTokenCount"),),
        output_added=(_paths("thoughtsTokenCount"),),
    ),
    Convention(
        "gemini",
        _marks("prompt_token_count", "candidates_token_count", "total_token_count"),
        input=_paths("prompt_token_count"),
        output=_paths("candidates_token_count", "response_token_count"),
        cache_read=_paths("cached_content_token_count"),
        reasoning=_paths("thoughts_token_count"),
        input_added=(_paths("tool_use_prompt_token_count"),),
        output_added=(_paths("thoughts_token_count"),),
    ),
    Convention(
        "chat",
        _marks("prompt_tokens"),
        input=_paths("prompt_tokens"),
        output=_paths("completion_tokens"),
        cache_read=_paths(
            "prompt_tokens_details.cached_tokens",
            "cached_tokens",
            "cached_prompt_text_tokens",
            "prompt_cache_hit_tokens",
            "cache_read_input_tokens",
        ),
        cache_write=_paths(
            "prompt_tokens_details.cache_write_tokens",
            "prompt_tokens_details.cache_creation_tokens",
            "cache_creation_input_tokens",
        ),
        reasoning=_paths("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
        special=(
            ("input_audio_tokens", ("prompt_tokens_details", "audio_tokens")),
            ("output_audio_tokens", ("completion_tokens_details", "audio_tokens")),
        ),
    ),
    Convention(
        "cohere",
        _marks("billed_units"),
        input=_paths("billed_units.input_tokens"),
        output=_paths("billed_units.output_tokens"),
        cache_read=_paths("cached_tokens"),
    ),
    Convention(
        "cohere",
        _marks("tokens.input_tokens"),
        input=_paths("tokens.input_tokens"),
        output=_paths("tokens.output_tokens"),
        cache_read=_paths("cached_tokens"),
    ),
    Convention(
        "responses",
        _marks("input_tokens input_tokens_details", "output_tokens_details.reasoning_tokens input_tokens"),
        input=_paths("input_tokens"),
        output=_paths("output_tokens"),
        cache_read=_paths("input_tokens_details.cached_tokens", "input_tokens_details.cache_read_input_tokens"),
        cache_write=_paths("input_tokens_details.cache_write_tokens"),
        reasoning=_paths("output_tokens_details.reasoning_tokens"),
        special=(
            ("input_image_tokens", ("input_tokens_details", "image_tokens")),
            ("output_image_tokens", ("output_tokens_details", "image_tokens")),
        ),
    ),
    Convention(
        # OpenAI's realtime API; LangChain's usage_metadata has the same container with names of its own.
        "realtime",
        _marks("input_tokens input_token_details", "input_tokens output_token_details"),
        input=_paths("input_tokens"),
        output=_paths("output_tokens"),
        cache_read=_paths("input_token_details.cached_tokens", "input_token_details.cache_read"),
        cache_write=_paths("input_token_details.cache_creation"),
        reasoning=_paths("output_token_details.reasoning"),
        special=(
            ("input_audio_tokens", ("input_token_details", "audio_tokens")),
            ("input_audio_tokens", ("input_token_details", "audio")),
            ("input_image_tokens", ("input_token_details", "image_tokens")),
            ("cache_audio_read_tokens", ("input_token_details", "cached_tokens_details", "audio_tokens")),
            ("cache_image_read_tokens", ("input_token_details", "cached_tokens_details", "image_tokens")),
            ("output_audio_tokens", ("output_token_details", "audio_tokens")),
            ("output_audio_tokens", ("output_token_details", "audio")),
        ),
    ),
    Convention(
        "anthropic",
        _marks(
            "input_tokens cache_read_input_tokens",
            "input_tokens cache_creation_input_tokens",
            "input_tokens cache_creation",
        ),
        input=_paths("input_tokens"),
        output=_paths("output_tokens"),
        cache_read=_BESIDE_READ,
        cache_write=_BESIDE_WRITE,
        reasoning=_paths("output_tokens_details.thinking_tokens"),
        input_added=(_BESIDE_READ, _BESIDE_WRITE),
        special=(("cache_write_1h_tokens", ("cache_creation", "ephemeral_1h_input_tokens")),),
    ),
    Convention(
        "bedrock",
        _marks("inputTokens outputTokens", "inputTokens", "inputTokenCount"),
        input=_paths("inputTokens", "inputTokenCount"),
        output=_paths("outputTokens", "outputTokenCount"),
        # The AI SDK's cachedInputTokens is inside its inputTokens, so it is read but not added.
        cache_read=(*_BEDROCK_READ, ("cachedInputTokens",)),
        cache_write=_BEDROCK_WRITE,
        reasoning=_paths("reasoningTokens"),
        input_added=(_BEDROCK_READ, _BEDROCK_WRITE),
    ),
    Convention(
        "plain",
        _marks("input_tokens", "output_tokens"),
        input=_paths("input_tokens"),
        output=_paths("output_tokens"),
        cache_read=_paths("cache_read_tokens", "cached_tokens", "cached_input_tokens"),
        cache_write=_paths("cache_write_tokens"),
        reasoning=_paths("reasoning_tokens", "output_reasoning_tokens", "reasoning_output_tokens"),
        special=(
            ("input_audio_tokens", ("input_audio_tokens",)),
            ("output_audio_tokens", ("output_audio_tokens",)),
            ("cache_audio_read_tokens", ("cache_audio_read_tokens",)),
            ("cache_write_1h_tokens", ("cache_write_1h_tokens",)),
        ),
    ),
    Convention(
        "plain",
        _marks("promptTokens", "completionTokens"),
        input=_paths("promptTokens"),
        output=_paths("completionTokens"),
    ),
    Convention("plain", _marks("input output", "input total"), input=_paths("input"), output=_paths("output")),
)

# Providers that count some output beside completion_tokens.
OUTPUT_BESIDE = {
    "x-ai": _paths("reasoning_tokens", "completion_tokens_details.reasoning_tokens"),
    "perplexity": _paths("reasoning_tokens"),
}
_CITATIONS = _paths("citation_tokens")

# Where the usage object lies in a whole response.
_ROOTS = (
    ("usage",),
    ("usageMetadata",),
    ("usage_metadata",),
    ("response", "usage"),
    ("result", "usage"),
    ("tokenUsage",),
    ("token_usage",),
    ("meta", "billed_units"),
)

# Gemini lists tokens by modality: where, and the unit that a modality's count is.
_MODALITIES = (
    ("promptTokensDetails", "input_{}_tokens"),
    ("toolUsePromptTokensDetails", "input_{}_tokens"),
    ("cacheTokensDetails", "cache_{}_read_tokens"),
    ("candidatesTokensDetails", "output_{}_tokens"),
    ("prompt_tokens_details", "input_{}_tokens"),
    ("tool_use_prompt_tokens_details", "input_{}_tokens"),
    ("cache_tokens_details", "cache_{}_read_tokens"),
    ("candidates_tokens_details", "output_{}_tokens"),
)
_MODALITY_NAMES = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image", "VIDEO": "video"}


def tokens_from_usage(body: object, provider: str | None = None) -> Tokens | None:
    """Read a usage object, or a whole response that holds one; None if it says nothing about tokens."""
    usage = _usage_object(body)
    if usage is None:
        return None
    for convention in CONVENTIONS:
        if any(all(_at(usage, path) is not None for path in mark) for mark in convention.marks):
            return _read(usage, convention, provider_id(provider))
    return None


def special_of(attributes: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the counts with prices of their own that a span's attributes keep, or None (the usual case)."""
    kept = attributes.get(SPECIAL_ATTRIBUTE)
    if not isinstance(kept, Mapping):
        return None
    counts = {unit: count for unit in SPECIAL_UNITS if (count := _count(kept.get(unit)))}
    return counts or None


def _usage_object(body: object) -> Mapping[str, Any] | None:
    if not isinstance(body, Mapping):
        return None
    for root in _ROOTS:
        found = _at(body, root)
        if isinstance(found, Mapping):
            return found
    return body


def _read(usage: Mapping[str, Any], convention: Convention, provider: str | None) -> Tokens:
    entered = _first(usage, convention.input)
    output = _first(usage, convention.output)
    reasoning = _first(usage, convention.reasoning)
    for paths in convention.input_added:
        entered = _sum(entered, _first(usage, paths))
    for paths in convention.output_added:
        output = _sum(output, _first(usage, paths))
    if convention.name == "chat":
        output = _sum(output, _output_beside(usage, provider, entered, output, reasoning))
    return Tokens(
        input=entered,
        output=output,
        cache_read=_first(usage, convention.cache_read),
        cache_write=_first(usage, convention.cache_write),
        reasoning=reasoning,
        special=_special(usage, convention),
        reported_cost_usd=_money(usage.get("cost")),
        convention=convention.name,
    )


def _output_beside(
    usage: Mapping[str, Any], provider: str | None, entered: int | None, output: int | None, reasoning: int | None
) -> int | None:
    if provider in OUTPUT_BESIDE:
        return _sum(_first(usage, OUTPUT_BESIDE[provider]), _first(usage, _CITATIONS))
    total = _first(usage, (("total_tokens",),))
    if total is None or not reasoning or entered is None or output is None:
        return None
    # Nobody said who answered; the body's own total tells whether reasoning is inside.
    return reasoning if total == entered + output + reasoning else None


def _special(usage: Mapping[str, Any], convention: Convention) -> dict[str, int]:
    counts: dict[str, int] = {}
    for unit, path in convention.special:
        if found := _count(_at(usage, path)):
            counts[unit] = found
    if convention.name == "gemini":
        for container, unit in _MODALITIES:
            for modality, found in _by_modality(usage.get(container)):
                name = unit.format(modality)
                counts[name] = counts.get(name, 0) + found
    if convention.name == "bedrock":
        for detail in _sequence(usage.get("cacheDetails")):
            if (
                isinstance(detail, Mapping)
                and detail.get("ttl") == "1h"
                and (found := _count(detail.get("inputTokens")))
            ):
                counts["cache_write_1h_tokens"] = found
    return counts


def _by_modality(details: object) -> list[tuple[str, int]]:
    found = []
    for detail in _sequence(details):
        if isinstance(detail, Mapping):
            name = _MODALITY_NAMES.get(str(detail.get("modality", "")).upper().rpartition(".")[2])
            count = _count(detail.get("tokenCount", detail.get("token_count")))
            if name and count:
                found.append((name, count))
    return found


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _first(usage: Mapping[str, Any], paths: Sequence[Path]) -> int | None:
    """Return the first count above 0, else 0 if any path says 0."""
    said: int | None = None
    for path in paths:
        count = _count(_at(usage, path))
        if count:
            return count
        said = count if said is None else said
    return said


def _count(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


def _money(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other

"""Usage bodies of every API are read the same way, whichever side of the input their cache is on."""

import itertools
import json
import random
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ArrayMatch

from apps.telemetry.normal import Limits
from apps.telemetry.prices.usage import special_of, tokens_from_usage
from apps.telemetry.wire.guide_events import decode

EXTRACTORS = [
    pytest.param(provider, extractor, id=f"{provider.id}-{extractor.api_flavor}")
    for provider in get_snapshot().providers
    for extractor in provider.extractors or []
]


def put(body, path, value):
    """Write a value where an extractor of the package looks for it."""
    steps = [path] if isinstance(path, str) else list(path)
    place = body
    for step, following in itertools.pairwise(steps):
        if isinstance(step, ArrayMatch):
            continue
        if isinstance(following, ArrayMatch):
            items = place.setdefault(step, [])
            wanted = following.match.equals
            found = next((item for item in items if item[following.field] == wanted), None)
            if found is None:
                found = {following.field: wanted}
                items.append(found)
            place = found
        else:
            place = place.setdefault(step, {})
    place[steps[-1]] = value


def invented_body(extractor, generator):
    body = {}
    root = [extractor.root] if isinstance(extractor.root, str) else extractor.root
    usage = body
    for step in root:
        usage = usage.setdefault(step, {})
    written = set()
    for mapping in extractor.mappings:
        wanted = mapping.required or generator.random() < 0.6 or mapping.dest in ("input_tokens", "output_tokens")
        if wanted and str(mapping.path) not in written:
            written.add(str(mapping.path))
            put(usage, mapping.path, generator.randint(1000, 2000) if mapping.required else generator.randint(1, 30))
    return body


@pytest.mark.parametrize(("provider", "extractor"), EXTRACTORS)
def test_any_body_of_an_api_is_read_as_the_package_reads_it(provider, extractor):
    generator = random.Random(provider.id + extractor.api_flavor)
    for _ in range(20):
        body = invented_body(extractor, generator)
        _, usage = extractor.extract(body)
        wanted = vars(usage)
        read = tokens_from_usage(body, provider.id)
        found = (read.input, read.output, read.cache_read, read.cache_write) if read else (None,) * 4
        assert found == tuple(
            wanted.get(unit) for unit in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        ), body


def counts(body, provider=None):
    read = tokens_from_usage(body, provider)
    return read.input, read.output, read.cache_read, read.cache_write, read.reasoning


def test_the_cache_is_inside_the_input_at_openai():
    body = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}
    assert counts(body) == (100, 20, 60, None, None)


def test_the_cache_is_beside_the_input_at_anthropic():
    body = {
        "input_tokens": 6,
        "cache_creation_input_tokens": 574,
        "cache_read_input_tokens": 20443,
        "cache_creation": {"ephemeral_5m_input_tokens": 74, "ephemeral_1h_input_tokens": 500},
        "output_tokens": 489,
        "output_tokens_details": {"thinking_tokens": 77},
    }
    assert counts(body) == (21023, 489, 20443, 574, 77)
    assert tokens_from_usage(body).special == {"cache_write_1h_tokens": 500}


def test_a_gateway_that_repeats_anthropics_names_has_them_inside():
    body = {
        "prompt_tokens": 1000,
        "completion_tokens": 5,
        "cache_read_input_tokens": 900,
        "cache_creation_input_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 900},
    }
    assert counts(body) == (1000, 5, 900, 50, None)


def test_langchains_usage_metadata_is_read():
    body = {
        "input_tokens": 100,
        "output_tokens": 20,
        "input_token_details": {"cache_read": 60, "cache_creation": 10, "audio": 4},
        "output_token_details": {"reasoning": 8},
    }
    assert counts(body) == (100, 20, 60, 10, 8)
    assert tokens_from_usage(body).special == {"input_audio_tokens": 4}


def test_thoughts_belong_to_the_output_at_gemini():
    body = {
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 7,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}, {"modality": "AUDIO", "tokenCount": 4}],
        }
    }
    assert counts(body) == (10, 12, None, None, 7)
    assert tokens_from_usage(body).special == {"input_audio_tokens": 4}


def test_reasoning_beside_the_completion_is_told_by_the_provider_or_by_the_total():
    body = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 7}}
    assert counts(body)[1] == 5
    assert counts(body, "xai")[1] == 12
    assert counts({**body, "total_tokens": 22})[1] == 12
    assert counts({**body, "total_tokens": 15})[1] == 5


def test_the_cost_in_a_body_is_kept_as_reported():
    assert tokens_from_usage({"prompt_tokens": 1, "cost": 0.000102}).reported_cost_usd == Decimal("0.000102")
    assert tokens_from_usage({"prompt_tokens": 1, "cost": "NaN"}).reported_cost_usd is None


@pytest.mark.parametrize(
    "body", [None, [], "usage", 7, {}, {"usage": None}, {"model": "x"}, {"usage": {"seconds": 3}}, {"usage": []}]
)
def test_what_says_nothing_about_tokens_is_no_usage(body):
    assert tokens_from_usage(body) is None


def test_counts_that_are_no_counts_are_left_out():
    body = {"prompt_tokens": True, "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": 2.5}}
    assert counts(body) == (None, None, None, None, None)
    assert counts({"prompt_tokens": "12", "completion_tokens": 3.0}) == (12, 3, None, None, None)


def event(**fields):
    """Return the span that an event with these fields becomes."""
    body = {"timestamp": "2026-08-20T10:00:00Z", "agent_id": "support-agent", "event_type": "llm_call", **fields}
    decoded = decode(json.dumps(body).encode(), Limits())
    assert not decoded.rejected
    return decoded.spans[0]


def test_an_event_may_carry_the_providers_own_usage():
    span = event(
        provider="anthropic",
        model="claude-sonnet-4-5",
        usage={
            "input_tokens": 10,
            "cache_read_input_tokens": 90,
            "cache_creation": {"ephemeral_1h_input_tokens": 5},
            "cache_creation_input_tokens": 5,
            "output_tokens": 7,
        },
    )
    assert (span.input_tokens, span.output_tokens) == (105, 7)
    assert (span.cache_read_tokens, span.cache_write_tokens) == (90, 5)
    assert special_of(span.attributes) == {"cache_write_1h_tokens": 5}
    assert "usage" not in span.attributes


def test_tokens_used_may_have_a_providers_names_and_our_own_win():
    assert event(tokens_used={"prompt_tokens": 10, "completion_tokens": 7}).input_tokens == 10
    span = event(tokens_used={"input": 3}, usage={"prompt_tokens": 10, "cost": 0.5})
    assert (span.input_tokens, span.reported_cost_usd) == (3, None)
    assert event(usage={"prompt_tokens": 10, "cost": 0.5}).reported_cost_usd == Decimal("0.5")
    assert event(usage={"prompt_tokens": 10, "cost": 0.5}, cost_usd=1).reported_cost_usd == 1


def test_a_usage_that_says_nothing_about_tokens_is_kept_as_it_is():
    span = event(usage={"seconds": 3})
    assert span.input_tokens is None
    assert "usage" in str(span.attributes)

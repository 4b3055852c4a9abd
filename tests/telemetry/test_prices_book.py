"""The compiled price book agrees with the package it is compiled from, and knows what it does not know."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.telemetry.prices.book import Book, OwnRate
from apps.telemetry.prices.names import PROVIDERS, candidates, provider_id
from apps.telemetry.prices.table import Entry

AT = datetime(2026, 8, 20, 12, tzinfo=UTC)
MODELS = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
TOKEN_PRICED = [
    (provider, model)
    for provider, model in MODELS
    if any(plan.rates for plan in [Entry(provider, model).plan(AT)]) and vars(Entry(provider, model).plan(AT).sheet)
]


def ask(book, provider, model, at, input_tokens, output_tokens, cache_read=None, **rest):
    return book.cost_of(provider, model, at, input_tokens, output_tokens, cache_read, **rest)


def expected(provider, model, at, **usage):
    """Return what the package itself computes."""
    result = model.calc_price(
        Usage(**{unit: count for unit, count in usage.items() if count}), provider, genai_request_timestamp=at
    )
    return result.input_price, result.output_price


def computed(provider, model, at, counts):
    rates = Entry(provider, model).plan(at).rates
    return rates.parts(*counts)


def borders(model):
    """Return the token counts around every context tier of a model."""
    sheets = [model.prices] if isinstance(model.prices, ModelPrice) else [c.prices for c in model.prices]
    starts = {
        tier.start
        for sheet in sheets
        for price in vars(sheet).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    }
    return sorted({start + step for start in starts for step in (-1, 0, 1)})


def moments(model):
    """Return moments around every change of a model's price."""
    conditions = [] if isinstance(model.prices, ModelPrice) else [c.constraint for c in model.prices if c.constraint]
    found = [AT, datetime(2020, 1, 1, tzinfo=UTC)]
    for condition in conditions:
        if isinstance(condition, StartDateConstraint):
            start = datetime.combine(condition.start_date, datetime.min.time(), UTC)
            found += [start - timedelta(microseconds=1), start]
        else:
            found += [
                datetime.combine(date(2026, 8, 20), condition.start_time),
                datetime.combine(date(2026, 8, 20), condition.end_time),
            ]
    return found


def test_every_model_costs_what_the_package_says_at_every_tier_and_date():
    generator = random.Random(20260820)
    for provider, model in TOKEN_PRICED:
        for at in moments(model):
            for tokens in [0, 1, generator.randint(2, 2_000_000), *borders(model)]:
                read = generator.randint(0, tokens)
                write = generator.randint(0, tokens - read)
                output = generator.randint(0, 100_000)
                reasoning = generator.randint(0, output)
                assert computed(provider, model, at, (tokens, output, read, write, reasoning)) == expected(
                    provider,
                    model,
                    at,
                    input_tokens=tokens,
                    output_tokens=output,
                    cache_read_tokens=read,
                    cache_write_tokens=write,
                    output_reasoning_tokens=reasoning,
                ), (provider.id, model.id, at, tokens)


@settings(max_examples=300, deadline=None)
@given(
    found=st.sampled_from(TOKEN_PRICED),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    plain=st.integers(0, 3_000_000),
    read=st.integers(0, 300_000),
    write=st.integers(0, 300_000),
    answer=st.integers(0, 200_000),
    reasoning=st.integers(0, 200_000),
)
def test_any_call_costs_what_the_package_says(found, at, plain, read, write, answer, reasoning):
    provider, model = found
    counts = (plain + read + write, answer + reasoning, read, write, reasoning)
    assert computed(provider, model, at, counts) == expected(
        provider,
        model,
        at,
        input_tokens=counts[0],
        output_tokens=counts[1],
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_reasoning_tokens=reasoning,
    )


def test_audio_tokens_have_their_own_price():
    book = Book()
    text = ask(book, "openai", "gpt-audio-mini", AT, 1_000_000, 0)
    audio = ask(book, "openai", "gpt-audio-mini", AT, 1_000_000, 0, special={"input_audio_tokens": 1_000_000})
    assert audio.amount > text.amount
    # Counts that contradict each other are priced as plain tokens rather than not at all.
    assert ask(book, "openai", "gpt-audio-mini", AT, 10, 0, special={"input_audio_tokens": 20}).amount == (
        ask(book, "openai", "gpt-audio-mini", AT, 10, 0).amount
    )


def test_cached_tokens_inside_the_input_are_cheaper():
    # gpt-4.1-mini: 0.40 input, 0.10 cached, 1.60 output per million.
    answer = ask(Book(), "openai", "gpt-4.1-mini-2025-04-14", AT, 1131, 20, 1024)
    assert answer.amount == Decimal("0.0001772")
    assert (answer.state, answer.source) == ("priced", "openai/gpt-4.1-mini")


def test_more_cache_than_input_is_billed_as_cache():
    answer = ask(Book(), "openai", "gpt-4.1-mini", AT, 10, 0, 1000)
    assert answer.amount == Decimal("0.0001")


@pytest.mark.parametrize(
    ("provider", "model", "source"),
    [
        ("openai", "gpt-4.1-mini-2025-04-14", "openai/gpt-4.1-mini"),
        ("openai", "openai/gpt-4.1-mini", "openai/gpt-4.1-mini"),
        ("OpenAI", "models/gpt-4o", "openai/gpt-4o"),
        ("openai.responses", "gpt-4o", "openai/gpt-4o"),
        (None, "gpt-4o", "openai/gpt-4o"),
        ("", "openai/gpt-4.1-mini", "openai/gpt-4.1-mini"),
        ("azure", "gpt-4o-2024-08-06", "azure/gpt-4o"),
        ("az.ai.openai", "gpt-4o", "azure/gpt-4o"),
        ("azure", "azure/gpt-4o", "azure/gpt-4o"),
        ("gemini", "gemini-2.0-flash", "google/gemini-2.0-flash"),
        ("gcp.vertex.agent", "gemini-2.0-flash", "google/gemini-2.0-flash"),
        ("vertex_ai", "claude-sonnet-4-5@20250929", "google/claude-sonnet-4-5"),
        (None, "gemini/gemma-3-27b-it", "google/gemma-3"),
        ("google", "projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        (
            "aws.bedrock",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("litellm", "anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("mistral_ai", "mistral-large-latest", "mistral/mistral-large"),
        ("openai", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5 (by the model's name)"),
        ("openai", "gpt-4o-2029-01-01", "openai/gpt-4o (by the undated model)"),
    ],
)
def test_sloppy_names_find_their_model(provider, model, source):
    answer = ask(Book(), provider, model, AT, 1000, 10)
    assert (answer.state, answer.source) == ("priced", source)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "our-own-model"),
        ("ollama", "gpt-oss:20b"),
        (None, "ollama/llama3"),
        ("hosted_vllm", "gpt-4o"),
        (None, "foo"),
        (None, None),
        ("openai", None),
        ("openai", ""),
    ],
)
def test_unknown_models_are_unpriced_and_never_0(provider, model):
    book = Book()
    for _ in range(2):
        answer = ask(book, provider, model, AT, 1000, 10)
        assert (answer.amount, answer.state) == (None, "unpriced")


def test_a_listed_free_model_costs_0():
    answer = ask(Book(), "gemini", "gemma-3-27b-it", AT, 1000, 10)
    assert (answer.amount, answer.state) == (0, "priced")


def test_without_tokens_there_is_nothing_to_price():
    for counts in ((None, None), (0, 0), (0, None)):
        assert ask(Book(), "openai", "gpt-4o", AT, *counts).state == "none"


def test_the_clients_amount_is_used_only_where_there_is_no_price():
    book = Book()
    said = Decimal("0.5")
    assert ask(book, "openai", "gpt-4o", AT, 10, 1, reported=said).state == "priced"
    answer = ask(book, "openai", "our-own-model", AT, 10, 1, reported=said)
    assert (answer.amount, answer.state) == (said, "reported")
    assert ask(book, None, None, AT, None, None, reported=said).state == "reported"
    # Clients say 0 for models they do not know.
    assert ask(book, "openai", "our-own-model", AT, 10, 1, reported=Decimal(0)).state == "unpriced"


def own(**fields):
    return OwnRate(**{"model": "gpt-4o", "valid_from": date(2026, 1, 1), **fields})


def test_own_prices_win_within_their_days():
    price = own(valid_until=date(2026, 8, 20), input=Decimal(1), output=Decimal(2))
    book = Book([price])
    inside = ask(book, "openai", "gpt-4o", datetime(2026, 8, 20, 23, 59, tzinfo=UTC), 1_000_000, 500_000)
    assert (inside.amount, inside.state) == (Decimal(2), "own")
    for outside in (datetime(2026, 8, 21, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC)):
        assert ask(book, "openai", "gpt-4o", outside, 10, 1).state == "priced"
    assert ask(book, "openai", "gpt-4o-mini", AT, 10, 1).state == "priced"


def test_own_prices_make_unknown_models_priced():
    book = Book(
        [
            own(
                model="our-*",
                input=Decimal(1),
                output=Decimal(0),
                cache_read=Decimal("0.5"),
            )
        ]
    )
    answer = ask(book, "ollama", "our-model", AT, 1_000_000, 10, 1_000_000)
    assert (answer.amount, answer.state) == (Decimal("0.5"), "own")
    assert ask(book, "openai", "openai/our-model", AT, 1_000_000, 10).state == "own"


def test_a_discount_is_taken_off_the_public_price():
    book = Book([own(model="gpt-4*", discount_percent=Decimal("12.5"))])
    public = ask(Book(), "openai", "gpt-4o", AT, 1000, 100, 500)
    answer = ask(book, "openai", "gpt-4o", AT, 1000, 100, 500)
    assert answer.amount == public.amount * Decimal("0.875")
    assert answer.source == "openai/gpt-4o less 12.5 %"
    assert ask(book, "openai", "gpt-4-unheard-of", AT, 10, 1).state == "unpriced"


def test_a_rate_that_is_not_stated_is_the_public_one():
    # gpt-4o: 2.50 input, 1.25 cached, 10 output per million.
    book = Book([own(output=Decimal(1), discount_percent=Decimal(50))])
    assert ask(book, "openai", "gpt-4o", AT, 1_000_000, 1_000_000, 1_000_000).amount == Decimal("1.125")
    # A stated input price without cache prices: the cache is not cheaper.
    book = Book([own(input=Decimal(1))])
    assert ask(book, "openai", "gpt-4o", AT, 1_000_000, 0, 1_000_000).amount == 1
    # Half a price is no price where the table has none either.
    book = Book([own(model="our-model", input=Decimal(1))])
    assert ask(book, "openai", "our-model", AT, 10, 1).state == "unpriced"


def test_the_asked_model_is_tried_where_the_answering_one_has_no_price():
    book = Book()
    answer = ask(book, "azure", "our-deployment", AT, 10, 1, request_model="gpt-4o")
    assert (answer.state, answer.source) == ("priced", "azure/gpt-4o")


def test_the_more_specific_own_price_wins():
    book = Book(
        [
            own(model="*", discount_percent=Decimal(50)),
            own(model="gpt-*", input=Decimal(2), output=Decimal(2)),
            own(model="gpt-4o", input=Decimal(3), output=Decimal(3)),
            own(model="gpt-4o", provider="azure", input=Decimal(4), output=Decimal(4)),
        ]
    )

    def price(provider, model):
        return ask(book, provider, model, AT, 1_000_000, 0).amount

    assert price("az.ai.openai", "gpt-4o") == 4
    assert price("openai", "gpt-4o") == 3
    assert price("openai", "gpt-4o-mini") == 2
    assert ask(book, "anthropic", "claude-sonnet-4-20250514", AT, 100_000, 0).amount == Decimal("0.15")


def test_every_alias_leads_to_a_provider_of_the_table():
    ids = {provider.id for provider in get_snapshot().providers}
    assert set(PROVIDERS.values()) <= ids
    assert all(provider_id(name) in ids for name in PROVIDERS)


def test_names_are_tried_most_literal_first():
    tried = [(c.provider, c.model) for c in candidates("openai", "openai/GPT-4.1")]
    assert tried[:2] == [("openai", "openai/gpt-4.1"), ("openai", "gpt-4.1")]


def test_memory_for_names_is_bounded(monkeypatch):
    monkeypatch.setattr("apps.telemetry.prices.book._REMEMBERED", 10)
    book = Book()
    for number in range(50):
        ask(book, "openai", f"model-{number}", AT, 1, 1)
    assert len(book._known) <= 10

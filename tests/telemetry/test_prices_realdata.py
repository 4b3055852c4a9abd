"""Prices against answers that others computed from real calls."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.core.tenancy import scope
from apps.telemetry.models import Span
from apps.telemetry.normal import Limits
from apps.telemetry.prices.book import Book
from apps.telemetry.prices.oracle import answers_of, compare_usages
from apps.telemetry.prices.usage import tokens_from_usage
from apps.telemetry.services.costs import round_cost
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.wire.guide_events import decode

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
AT = datetime(2026, 8, 20, tzinfo=UTC)

pytestmark = pytest.mark.realdata


def real(*patterns):
    found = [path for pattern in patterns for path in sorted(DATA.glob(pattern))]
    if not found:
        pytest.skip(f"{patterns[0]} not found beside the checkout, skipped")
    return found


def test_99_of_100_provider_bodies_are_priced_to_the_last_digit():
    path = real("genai_prices_usages/usages.json.gz", "genai_prices_usages/usages_dev.json.gz")[0]
    result = compare_usages(json.loads(gzip.decompress(path.read_bytes())), at=AT)
    assert result.body_count > 500
    assert result.exact_share >= 0.99, result.differences


def test_the_command_lists_what_differs():
    path = real("genai_prices_usages/usages.json.gz", "genai_prices_usages/usages_dev.json.gz")[0]
    out = StringIO()
    call_command("check_prices", str(path), stdout=out)
    assert "bodies exact (99." in out.getvalue()


def test_litellms_cost_of_every_message_is_ours():
    compared = 0
    for path in real("tau2_gpt41mini_costed/*/results.json.gz"):
        run = json.loads(gzip.decompress(path.read_bytes()))
        for simulation in run["simulations"]:
            for message in simulation["messages"]:
                if not message.get("usage"):
                    continue
                raw = message["raw_data"]
                read = tokens_from_usage(raw)
                answer = Book().cost_of("openai", raw["model"], AT, read.input, read.output, read.cache_read)
                assert abs(answer.amount - Decimal(str(message["cost"]))) < Decimal("1e-12")
                compared += 1
    assert compared > 100


def test_bodies_sent_as_events_are_stored_at_their_price(committed_world):
    """Each body as an event's `usage`, for every provider that its own API's reading has a price for."""
    path = real("genai_prices_usages/usages.json.gz", "genai_prices_usages/usages_dev.json.gz")[0]
    bodies = json.loads(gzip.decompress(path.read_bytes()))
    events, expected = [], {}
    for number, entry in enumerate(bodies):
        for place, answer in enumerate(answers_of(entry)[0]):
            span_id = f"{number}-{place}"
            expected[span_id] = Decimal(answer["input_price"]) + Decimal(answer["output_price"])
            events.append(
                {
                    "timestamp": "2026-08-20T00:00:00Z",
                    "agent_id": "support-agent",
                    "event_type": "llm_call",
                    "trace_id": f"t{number}",
                    "span_id": span_id,
                    "provider": answer["provider_id"],
                    "model": entry["body"].get("model") or entry["model"],
                    "usage": entry["body"]["usage"],
                }
            )
    decoded = decode("\n".join(json.dumps(event) for event in events).encode(), Limits())
    assert not decoded.rejected
    acme = committed_world.acme
    store_spans(organization_id=acme.id, agent_slug=None, spans=decoded.spans)
    with scope(acme.id):
        stored = dict(Span.objects.values_list("span_id", "cost_usd"))
    exact = sum(1 for span_id, cost in expected.items() if stored[span_id] == round_cost(cost))
    assert exact / len(expected) >= 0.99

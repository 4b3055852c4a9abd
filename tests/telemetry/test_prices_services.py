"""Own prices, and costs computed anew: audited, resumable, followed by traces and rollups."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing
from apps.core.tenancy import scope
from apps.telemetry.models import OwnPrice, Recomputation, Span, Touch, Trace
from apps.telemetry.normal import NormalSpan
from apps.telemetry.selectors.ingest_settings import forget_ingest_settings, price_book_for
from apps.telemetry.selectors.prices import models_seen
from apps.telemetry.services import costs
from apps.telemetry.services.costs import recompute_costs, recompute_step
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.services.prices import end_price, set_price, withdraw_price
from apps.telemetry.services.settle import settle
from apps.telemetry.tasks import recompute_due

MAX = Actor("person", "max", "Max")
TODAY = datetime.now(UTC).date()


def span(number=0, *, days_ago=0, **fields) -> NormalSpan:
    at = datetime.now(UTC) - timedelta(days=days_ago, minutes=5)
    defaults = {
        "trace_id": f"{days_ago + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "parent_span_id": None,
        "name": "chat",
        "started_at": at + timedelta(milliseconds=number),
        "duration_us": 1000,
        "kind": "model",
        "status": "ok",
        "agent": "support-agent",
        "provider": "ollama",
        "model": "our-model",
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "attributes": {},
    }
    return NormalSpan(**{**defaults, **fields})


def store(organization, *spans):
    store_spans(organization_id=organization.id, agent_slug=None, spans=list(spans))


def price(**fields):
    return set_price(**{"actor": MAX, "model": "our-model", "valid_from": date(2026, 1, 1), **fields})


def patience_over(organization):
    """Let the other processes' caches expire."""
    with scope(organization.id):
        Recomputation.objects.update(requested_at=timezone.now() - costs.PATIENCE)
    forget_ingest_settings()


# Own prices


def test_a_price_is_set_with_its_audit_entry(world):
    with world.acme_scope():
        price(provider="Ollama ", model=" Our-Model", input_per_million=Decimal("2.5"), output_per_million=Decimal(0))
        stored = OwnPrice.objects.get()
        assert (stored.provider, stored.model, stored.created_by) == ("ollama", "our-model", "Max")
        entry = AuditEntry.objects.get(action="price.set")
        assert entry.details["input_per_million"] == "2.5"
        assert (entry.actor_name, entry.target_name) == ("Max", "ollama/our-model")
    with world.globex_scope():
        assert not OwnPrice.objects.exists()


def test_the_next_price_ends_the_former_the_day_before(world):
    with world.acme_scope():
        first = price(input_per_million=Decimal(1), output_per_million=Decimal(1))
        price(valid_from=date(2026, 6, 1), input_per_million=Decimal(2), output_per_million=Decimal(2))
        first.refresh_from_db()
        assert first.valid_until == date(2026, 5, 31)
        assert AuditEntry.objects.filter(action="price.ended").count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": "  "}, "model"),
        ({}, "input_per_million"),
        ({"input_per_million": Decimal(-1)}, "input_per_million"),
        ({"output_per_million": Decimal("NaN")}, "output_per_million"),
        ({"discount_percent": Decimal(101)}, "discount_percent"),
        ({"discount_percent": Decimal(5), "valid_until": date(2025, 12, 31)}, "valid_until"),
    ],
)
def test_a_price_that_says_nothing_sensible_is_refused(world, fields, field):
    with world.acme_scope():
        with pytest.raises(DomainError) as refusal:
            price(**fields)
        assert refusal.value.field == field
        assert not OwnPrice.objects.exists()
        assert not AuditEntry.objects.exists()


def test_a_price_does_not_run_into_a_later_one(world):
    with world.acme_scope():
        price(valid_from=date(2026, 6, 1), discount_percent=Decimal(10))
        for valid_from in (date(2026, 6, 1), date(2026, 1, 1)):
            with pytest.raises(Conflict):
                price(valid_from=valid_from, discount_percent=Decimal(5))
        price(valid_until=date(2026, 5, 31), discount_percent=Decimal(5))
        assert OwnPrice.objects.count() == 2


def test_a_price_ends_once_and_not_before_it_begins(world):
    with world.acme_scope():
        stored = price(discount_percent=Decimal(10))
        with pytest.raises(DomainError):
            end_price(actor=MAX, price_id=stored.id, last_day=date(2025, 12, 31))
        end_price(actor=MAX, price_id=stored.id, last_day=date(2026, 3, 31))
        with pytest.raises(Conflict):
            end_price(actor=MAX, price_id=stored.id, last_day=date(2026, 4, 1))
        stored.refresh_from_db()
        assert stored.valid_until == date(2026, 3, 31)


def test_a_withdrawn_price_prices_nothing_and_stays_on_record(world):
    with world.acme_scope():
        stored = price(discount_percent=Decimal(10), model="gpt-4o")
        withdraw_price(actor=MAX, price_id=stored.id)
        assert OwnPrice.objects.get().withdrawn_at
        with pytest.raises(Missing):
            withdraw_price(actor=MAX, price_id=stored.id)
        price(discount_percent=Decimal(20), model="gpt-4o")
        forget_ingest_settings()
        quote = price_book_for(world.acme.id).quote("openai", "gpt-4o", datetime.now(UTC))
        assert (quote.state, quote.source) == ("own", "openai/gpt-4o less 20 %")
        assert quote.input == Decimal("2.0")


def test_another_organizations_price_is_missing(world):
    with world.acme_scope():
        stored = price(discount_percent=Decimal(10))
    with world.globex_scope(), pytest.raises(Missing):
        withdraw_price(actor=MAX, price_id=stored.id)


def test_the_book_costs_no_query_while_its_cache_is_fresh(world, django_assert_num_queries):
    forget_ingest_settings()
    book = price_book_for(world.acme.id)
    with django_assert_num_queries(0):
        assert price_book_for(world.acme.id) is book


# Costs computed anew


def test_a_price_for_an_unpriced_model_reaches_its_spans_traces_and_rollups(committed_world):
    acme = committed_world.acme
    store(acme, span(0), span(1), span(2, provider="openai", model="gpt-4o", input_tokens=1000))
    settle(acme.id)
    with scope(acme.id):
        assert Span.objects.filter(price_state="unpriced", cost_usd=None).count() == 2
        assert Trace.objects.get().unpriced_count == 2
        price(input_per_million=Decimal(3), output_per_million=Decimal(0))
        work = recompute_costs(actor=MAX, since=TODAY - timedelta(days=1), until=TODAY)
        with pytest.raises(Conflict):
            recompute_costs(actor=MAX, since=TODAY, until=TODAY)
    # Not before every process has the new price.
    assert recompute_step(acme.id) is False
    patience_over(acme)
    assert recompute_due() >= 1
    with scope(acme.id):
        work.refresh_from_db()
        assert work.finished_at
        assert (work.seen_count, work.changed_count, work.difference_usd) == (3, 2, Decimal(6))
        assert list(Span.objects.order_by("span_id").values_list("cost_usd", "price_state")) == [
            (Decimal(3), "own"),
            (Decimal(3), "own"),
            (Decimal("0.0025"), "priced"),
        ]
        assert Touch.objects.count() == 1
        assert AuditEntry.objects.filter(action="recomputation.finished").count() == 1
    settle(acme.id)
    with scope(acme.id):
        trace = Trace.objects.get()
        assert (trace.cost_usd, trace.unpriced_count) == (Decimal("6.0025"), 0)
        assert models_seen(now=timezone.now())[0].cost_usd == 6


def test_costs_that_hold_are_left_alone(committed_world):
    acme = committed_world.acme
    store(acme, span(0), span(1, model="gpt-4o-mini", provider="openai", output_tokens=7, cache_read_tokens=3))
    fold_pending(acme.id)
    with scope(acme.id):
        work = recompute_costs(actor=MAX, since=TODAY - timedelta(days=1), until=TODAY)
    patience_over(acme)
    recompute_due()
    with scope(acme.id):
        work.refresh_from_db()
        assert (work.seen_count, work.changed_count) == (2, 0)
        assert not Touch.objects.exists()


def test_a_recomputation_goes_on_where_it_was_interrupted(committed_world, monkeypatch):
    acme = committed_world.acme
    monkeypatch.setattr(costs, "STEP", 4)
    store(acme, *(span(number, days_ago=days) for days in (0, 1) for number in range(10)))
    with scope(acme.id):
        price(input_per_million=Decimal(1), output_per_million=Decimal(0))
        work = recompute_costs(actor=MAX, since=TODAY - timedelta(days=2), until=TODAY)
    patience_over(acme)
    assert recompute_step(acme.id)
    assert recompute_step(acme.id)
    with scope(acme.id):
        work.refresh_from_db()
        assert 0 < work.changed_count <= 8

    def crash(*args):
        raise RuntimeError("killed")

    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(costs, "_advance", crash)
        recompute_step(acme.id)
    with scope(acme.id):
        assert Span.objects.filter(price_state="own").count() == work.changed_count
    while recompute_step(acme.id):
        pass
    with scope(acme.id):
        work.refresh_from_db()
        assert (work.changed_count, work.difference_usd) == (20, Decimal(20))
        assert not Span.objects.exclude(price_state="own").exists()


def test_other_days_and_other_organizations_keep_their_costs(committed_world):
    acme, globex = committed_world.acme, committed_world.globex
    store(acme, span(0), span(0, days_ago=3))
    store(globex, span(0))
    for organization in (acme, globex):
        with scope(organization.id):
            price(input_per_million=Decimal(1), output_per_million=Decimal(0))
    with scope(acme.id):
        recompute_costs(actor=MAX, since=TODAY - timedelta(days=1), until=TODAY)
    patience_over(acme)
    recompute_due()
    with scope(acme.id):
        assert list(Span.objects.order_by("started_at").values_list("price_state", flat=True)) == ["unpriced", "own"]
    with scope(globex.id):
        assert Span.objects.get().price_state == "unpriced"


def test_what_the_client_said_is_kept_beside_and_used_for_lack_of_a_price(committed_world):
    acme = committed_world.acme
    said = Decimal("0.25")
    store(
        acme,
        span(0, reported_cost_usd=said),
        span(1, model="gpt-4o", provider="openai", reported_cost_usd=said),
        span(2, reported_cost_usd=Decimal(0)),
    )
    with scope(acme.id):
        found = list(Span.objects.order_by("span_id").values_list("price_state", "cost_usd", "reported_cost_usd"))
        assert found == [
            ("reported", said, said),
            ("priced", Decimal("2.5"), said),
            ("unpriced", None, Decimal(0)),
        ]
        price(input_per_million=Decimal(1), output_per_million=Decimal(0))
        recompute_costs(actor=MAX, since=TODAY - timedelta(days=1), until=TODAY)
    patience_over(acme)
    recompute_due()
    with scope(acme.id):
        found = list(Span.objects.order_by("span_id").values_list("price_state", "cost_usd", "reported_cost_usd"))
        assert found == [("own", 1, said), ("priced", Decimal("2.5"), said), ("own", 1, 0)]


def test_special_counts_and_the_asked_model_survive_a_recomputation(committed_world):
    acme = committed_world.acme
    audio = {"usage.special": {"input_audio_tokens": 1_000_000, "junk": "x"}}
    store(
        acme,
        span(0, provider="openai", model="gpt-audio-mini", attributes=audio),
        span(1, provider="azure", model="our-deployment", request_model="gpt-4o"),
    )
    with scope(acme.id):
        before = list(Span.objects.order_by("span_id").values_list("cost_usd", "price_state"))
        assert before == [(Decimal(10), "priced"), (Decimal("2.5"), "priced")]
        work = recompute_costs(actor=MAX, since=TODAY - timedelta(days=1), until=TODAY)
    patience_over(acme)
    recompute_due()
    with scope(acme.id):
        work.refresh_from_db()
        assert (work.seen_count, work.changed_count) == (2, 0)


def test_days_are_checked_before_work_is_written(world):
    with world.acme_scope():
        for since, until in ((TODAY, TODAY - timedelta(days=1)), (date(2020, 1, 1), TODAY)):
            with pytest.raises(DomainError):
                recompute_costs(actor=MAX, since=since, until=until)
        assert not Recomputation.objects.exists()

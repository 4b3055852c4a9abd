"""Storing spans: durable, once, in the right organization, one bad span alone."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections

from apps.core.tenancy import scope
from apps.telemetry.models import Payload, RedactionRule, Span, Touch
from apps.telemetry.normal import NormalSpan
from apps.telemetry.selectors.ingest_settings import forget_ingest_settings
from apps.telemetry.services.ingest import store_spans

NOW = datetime.now(UTC).replace(microsecond=123456)


def span(number: int = 0, **fields) -> NormalSpan:
    defaults = {
        "trace_id": f"{1:032x}",
        "span_id": f"{number + 1:016x}",
        "parent_span_id": None,
        "name": "chat",
        "started_at": NOW - timedelta(minutes=1, seconds=-number),
        "duration_us": 1000,
        "kind": "model",
        "status": "ok",
        "agent": "Support Agent",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
        "attributes": {"k": "v"},
    }
    return NormalSpan(**{**defaults, **fields})


def store(organization, *spans, agent_slug=None):
    return store_spans(organization_id=organization.id, agent_slug=agent_slug, spans=list(spans))


def test_a_span_is_stored_priced_and_marks_its_trace(committed_world):
    acme = committed_world.acme
    assert store(acme, span(input="question", events=[{"name": "e", "at": "t", "attributes": {}}])) == (1, [])
    with scope(acme.id):
        stored = Span.objects.get()
        assert stored.agent == "support-agent"
        assert stored.attributes == {"k": "v", "agentops.sent_agent": "Support Agent"}
        assert stored.started_at == NOW - timedelta(minutes=1)
        assert (stored.cost_usd, stored.price_state) == (Decimal("0.0035"), "priced")
        assert Payload.objects.get().input == "question"
        assert Touch.objects.get().trace_id == stored.trace_id
    with scope(committed_world.globex.id):
        assert not Span.objects.exists()


def test_the_same_span_twice_changes_nothing(committed_world):
    acme = committed_world.acme
    store(acme, span(0), span(1))
    store(acme, span(1, name="another content"), span(2), span(2))
    with scope(acme.id):
        assert list(Span.objects.order_by("span_id").values_list("name", flat=True)) == ["chat"] * 3


def test_many_writers_of_the_same_spans_store_each_once(committed_world):
    acme = committed_world.acme
    failures = []

    def send(shift: int) -> None:
        try:
            for turn in range(4):
                batch = [span(number) for number in range(turn * 50, turn * 50 + 100)]
                store(acme, *(reversed(batch) if shift % 2 else batch))
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            for alias in connections:
                connections[alias].close()

    threads = [threading.Thread(target=send, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    with scope(acme.id):
        assert Span.objects.count() == 250


def test_hostile_texts_survive_unchanged_but_for_what_the_database_cannot_hold(committed_world):
    acme = committed_world.acme
    text = "tab\t line\n back\\slash \\N quote\" ' nul\0 emoji 🙂 end\\."
    store(acme, span(name=text, input=text, status_message=text, attributes={"k\0": text, "n": {"deep": [text]}}))
    clean = text.replace("\0", "")
    with scope(acme.id):
        stored = Span.objects.get()
        assert stored.name == clean
        assert stored.status_message == clean
        assert stored.attributes["k"] == clean
        assert stored.attributes["n"] == {"deep": [clean]}
        assert Payload.objects.get().input == clean


def test_a_span_out_of_its_age_is_refused_alone(committed_world):
    acme = committed_world.acme
    old = span(1, started_at=NOW - timedelta(days=4000))
    future = span(2, started_at=NOW + timedelta(hours=1))
    stored = store(acme, old, span(0), future)
    assert stored.accepted_count == 1
    assert [rejection.index for rejection in stored.rejected] == [0, 2]


def test_a_bound_credential_decides_the_agent(committed_world):
    acme = committed_world.acme
    store(acme, span(agent="pretender"), agent_slug="support-agent")
    with scope(acme.id):
        stored = Span.objects.get()
        assert (stored.agent, stored.attributes["agentops.sent_agent"]) == ("support-agent", "pretender")


def test_unknown_models_are_unpriced_and_a_reported_cost_is_labelled(committed_world):
    acme = committed_world.acme
    store(
        acme,
        span(0, provider=None, model="our-own-model"),
        span(1, provider=None, model="our-own-model", reported_cost_usd=Decimal("0.25")),
        span(2, reported_cost_usd=Decimal(9)),
        span(3, kind="step", input_tokens=None, output_tokens=None),
    )
    with scope(acme.id):
        rows = list(Span.objects.order_by("span_id").values_list("cost_usd", "price_state", "reported_cost_usd"))
    assert rows == [
        (None, "unpriced", None),
        (Decimal("0.25"), "reported", Decimal("0.25")),
        (Decimal("0.0035"), "priced", Decimal(9)),
        (None, "none", None),
    ]


def test_redaction_acts_before_storage(committed_world):
    acme = committed_world.acme
    with scope(acme.id):
        RedactionRule.objects.create(organization=acme, name="cards", pattern=r"\b\d{16}\b")
        RedactionRule.objects.create(organization=acme, name="token", key="authorization", replacement="[gone]")
    forget_ingest_settings()
    secret = "4111111111111111"
    store(acme, span(input=f"pay with {secret}", attributes={"Authorization": "Bearer x", "deep": [{"card": secret}]}))
    with scope(acme.id), connection.cursor() as cursor:
        stored = Span.objects.get()
        assert stored.attributes["Authorization"] == "[gone]"
        assert Payload.objects.get().input == "pay with [redacted]"
        cursor.execute("SELECT to_jsonb(s)::text || to_jsonb(p)::text FROM telemetry_span s, telemetry_payload p")
        assert secret not in cursor.fetchone()[0]
    forget_ingest_settings()


def test_the_ingest_role_may_only_insert(committed_world):
    from apps.telemetry.services.ingest import pool

    with pool().connection() as connected:
        for statement in (
            "SELECT * FROM telemetry_span",
            "DELETE FROM telemetry_span",
            "UPDATE telemetry_task SET name = ''",
            "INSERT INTO organizations_user (id) VALUES (gen_random_uuid())",
        ):
            with pytest.raises(Exception, match="permission denied"):
                connected.execute(statement)

"""The page of prices: what has none comes first, managers set and end prices, everybody else reads."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.core.actors import Actor
from apps.telemetry.models import OwnPrice, Recomputation, UsageHour
from apps.telemetry.services.prices import set_price

MAX = Actor("person", "max", "Max")
TODAY = datetime.now(UTC).date()


def usage(organization, **fields):
    defaults = {
        "organization_id": organization.id,
        "hour": timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2),
        "agent": "support-agent",
        "provider": "openai",
        "model": "gpt-4o",
        "call_count": 10,
        "error_count": 0,
        "unpriced_count": 0,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": Decimal("0.5"),
        "duration_us": 1,
    }
    return UsageHour.objects.create(**{**defaults, **fields})


def address(name="price_settings", organization="acme", **parts):
    return reverse(f"telemetry:{name}", kwargs={"organization": organization, **parts})


@pytest.fixture
def busy(committed_world):
    """Acme with a priced, an unpriced and a model that only clients price."""
    world = committed_world
    with world.acme_scope():
        usage(world.acme)
        usage(world.acme, provider="ollama", model="our-model", unpriced_count=10, cost_usd=0)
        usage(world.acme, provider=None, model="their-model", cost_usd=Decimal(9))
        usage(world.acme, model=None, provider=None, tool="search", input_tokens=0, output_tokens=0)
    return world


def test_models_without_a_price_come_first(busy):
    response = busy.client("vic").get(address())
    assert response.status_code == 200
    assert [(m.model, m.state) for m in response.context["models"]] == [
        ("our-model", "unpriced"),
        ("their-model", "reported"),
        ("gpt-4o", "priced"),
    ]
    page = response.content.decode()
    assert "1 model without a price" in page
    assert "openai/gpt-4o" in page
    # A reader sees no form.
    assert 'name="input_per_million"' not in page


def test_a_manager_sets_a_price_for_an_unpriced_model(busy):
    client = busy.client("max")
    page = client.get(address(), {"model": "our-model", "provider": "ollama"}).content.decode()
    assert 'value="our-model"' in page
    response = client.post(
        address("price_create"),
        {
            "model": "our-model",
            "provider": "ollama",
            "input_per_million": "0.5",
            "output_per_million": "1",
            "valid_from": str(TODAY),
        },
    )
    assert response.status_code == 302
    with busy.acme_scope():
        assert OwnPrice.objects.get().created_by


def test_what_is_wrong_is_said_beside_the_field(busy):
    response = busy.client("max").post(
        address("price_create"), {"model": "m", "input_per_million": "two", "valid_from": ""}
    )
    assert response.status_code == 422
    page = response.content.decode()
    assert "Write an amount, for example 2.50." in page
    assert "Choose a day." in page
    assert 'aria-invalid="true"' in page
    response = busy.client("max").post(address("price_create"), {"model": "m", "valid_from": str(TODAY)})
    assert "Give a price or a discount." in response.content.decode()
    with busy.acme_scope():
        assert not OwnPrice.objects.exists()


def test_a_price_is_ended_and_withdrawn(busy):
    client = busy.client("max")
    with busy.acme_scope():
        price = set_price(actor=MAX, model="gpt-4o", valid_from=TODAY, discount_percent=Decimal(10))
    wrong = client.post(address("price_end", price_id=price.id), {"last_day": str(TODAY - timedelta(days=1))})
    assert wrong.status_code == 422
    assert b"choose that day or a later one" in wrong.content
    assert client.post(address("price_end", price_id=price.id), {"last_day": str(TODAY)}).status_code == 302
    assert client.post(address("price_withdraw", price_id=price.id)).status_code == 302
    with busy.acme_scope():
        stored = OwnPrice.objects.get()
        assert (stored.valid_until, bool(stored.withdrawn_at)) == (TODAY, True)
    assert b"Withdrawn" in client.get(address()).content


def test_costs_are_recomputed_on_demand_one_at_a_time(busy):
    client = busy.client("max")
    days = {"since": str(TODAY - timedelta(days=6)), "until": str(TODAY)}
    assert client.post(address("cost_recompute"), days).status_code == 302
    again = client.post(address("cost_recompute"), days)
    assert again.status_code == 422
    page = client.get(address()).content.decode()
    assert "0 of 7 days" in page
    part = client.get(address("recompute_progress"), headers={"HX-Request": "true"}).content.decode()
    assert "0 of 7 days" in part
    assert "<html" not in part
    assert client.get(address("recompute_progress")).status_code == 302
    with busy.acme_scope():
        assert Recomputation.objects.count() == 1
        Recomputation.objects.update(finished_at=timezone.now())
    assert "every 2s" not in client.get(address()).content.decode()


@pytest.mark.parametrize("name", ["price_create", "cost_recompute"])
@pytest.mark.parametrize("person", ["vic", "rita", "bo", "otto"])
def test_readers_change_nothing(busy, person, name):
    assert busy.client(person).post(address(name), {}).status_code == 403
    with busy.acme_scope():
        assert not OwnPrice.objects.exists()
        assert not Recomputation.objects.exists()


def test_an_outsider_finds_nothing(busy):
    with busy.acme_scope():
        price = set_price(actor=MAX, model="gpt-4o", valid_from=TODAY, discount_percent=Decimal(10))
    client = busy.client("mallory")
    assert client.get(address()).status_code == 404
    for organization in ("acme", "globex"):
        assert client.post(address("price_withdraw", organization, price_id=price.id)).status_code == 404
    with busy.acme_scope():
        assert not OwnPrice.objects.get().withdrawn_at


def test_an_organization_without_calls_sees_what_will_come(committed_world):
    assert b"No models yet" in committed_world.client("ada").get(address()).content


def test_more_models_cost_no_more_queries(world, django_assert_max_num_queries):
    with world.acme_scope():
        for number in range(30):
            usage(world.acme, model=f"model-{number}")
            set_price(actor=MAX, model=f"model-{number}", valid_from=TODAY, discount_percent=Decimal(1))
    client = world.client("max")
    with django_assert_max_num_queries(30):
        assert client.get(address()).status_code == 200

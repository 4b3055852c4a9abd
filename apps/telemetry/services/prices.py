"""Set, end and withdraw the organization's own prices. What they mean for past costs is recompute_costs' business."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing
from apps.core.tenancy import current_organization_id
from apps.telemetry.models import OwnPrice
from apps.telemetry.selectors.ingest_settings import forget_ingest_settings

_AMOUNTS = ("input_per_million", "output_per_million", "cache_read_per_million", "cache_write_per_million")


def set_price(
    *,
    actor: Actor,
    model: str,
    valid_from: date,
    valid_until: date | None = None,
    provider: str = "",
    input_per_million: Decimal | None = None,
    output_per_million: Decimal | None = None,
    cache_read_per_million: Decimal | None = None,
    cache_write_per_million: Decimal | None = None,
    discount_percent: Decimal = Decimal(0),
) -> OwnPrice:
    """Let a price hold from a day on. The price of the same models that held until then ends the day before.

    Raises DomainError for a price that says nothing, Conflict where a price of the same models begins on that day or
    later within the new one's days.
    """
    amounts = {
        "input_per_million": input_per_million,
        "output_per_million": output_per_million,
        "cache_read_per_million": cache_read_per_million,
        "cache_write_per_million": cache_write_per_million,
    }
    provider, model = provider.strip().lower(), model.strip().lower()
    _check(model, amounts, discount_percent, valid_from, valid_until)
    organization_id = current_organization_id()
    with transaction.atomic():
        same = OwnPrice.objects.select_for_update().filter(provider=provider, model=model, withdrawn_at=None)
        later = same.filter(valid_from__gte=valid_from).order_by("valid_from").first()
        if later is not None and (valid_until is None or valid_until >= later.valid_from):
            raise Conflict(
                f"A price of {model} begins on {later.valid_from}. End this one before that day, or withdraw that one.",
                code="price_overlaps",
                field="valid_until" if later.valid_from > valid_from else "valid_from",
            )
        for former in same.filter(valid_from__lt=valid_from).exclude(valid_until__lt=valid_from):
            _end(actor, former, valid_from - timedelta(days=1))
        price = OwnPrice.objects.create(
            organization_id=organization_id,
            provider=provider,
            model=model,
            discount_percent=discount_percent,
            valid_from=valid_from,
            valid_until=valid_until,
            created_by=actor.name[:300],
            **amounts,
        )
        _record(actor, "price.set", price, _statement(price))
    return price


def end_price(*, actor: Actor, price_id: UUID, last_day: date) -> OwnPrice:
    """Let a price hold until a day (included) and no longer; the public price follows."""
    with transaction.atomic():
        price = _locked(price_id)
        if last_day < price.valid_from:
            raise DomainError(
                f"The price begins on {price.valid_from}: choose that day or a later one, or withdraw the price.",
                code="price_ends_before_it_begins",
                field="last_day",
            )
        if price.valid_until is not None and last_day > price.valid_until:
            raise Conflict(f"The price ends on {price.valid_until} already.", code="price_ended", field="last_day")
        _end(actor, price, last_day)
    return price


def withdraw_price(*, actor: Actor, price_id: UUID) -> OwnPrice:
    """Take a mistaken price back, as if it had never been; it stays on record."""
    with transaction.atomic():
        price = _locked(price_id)
        price.withdrawn_at = timezone.now()
        price.save(update_fields=["withdrawn_at"])
        _record(actor, "price.withdrawn", price, _statement(price))
    return price


def _check(
    model: str,
    amounts: dict[str, Decimal | None],
    discount_percent: Decimal,
    valid_from: date,
    valid_until: date | None,
) -> None:
    if not model:
        raise DomainError("Name a model, for example gpt-4o or gpt-4o*.", code="model_missing", field="model")
    for name, amount in amounts.items():
        if amount is not None and (not amount.is_finite() or amount < 0):
            raise DomainError("Write an amount of 0 or more, for example 2.50.", code="amount_invalid", field=name)
    if not discount_percent.is_finite() or not 0 <= discount_percent <= 100:
        raise DomainError("Write a percentage from 0 to 100.", code="discount_invalid", field="discount_percent")
    if all(amount is None for amount in amounts.values()) and not discount_percent:
        raise DomainError("Give a price or a discount.", code="price_empty", field="input_per_million")
    if valid_until is not None and valid_until < valid_from:
        raise DomainError("The last day is before the first.", code="days_reversed", field="valid_until")


def _locked(price_id: UUID) -> OwnPrice:
    price = OwnPrice.objects.select_for_update().filter(id=price_id, withdrawn_at=None).first()
    if price is None:
        raise Missing("There is no such price.", code="price_missing")
    return price


def _end(actor: Actor, price: OwnPrice, last_day: date) -> None:
    before = price.valid_until
    price.valid_until = last_day
    price.save(update_fields=["valid_until"])
    _record(
        actor,
        "price.ended",
        price,
        {"valid_until": {"before": str(before) if before else None, "after": str(last_day)}},
    )


def _statement(price: OwnPrice) -> dict[str, Any]:
    said = {name: getattr(price, name) for name in (*_AMOUNTS, "discount_percent", "valid_from", "valid_until")}
    return {name: str(value) for name, value in said.items() if value is not None}


def _record(actor: Actor, action: str, price: OwnPrice, details: dict[str, Any]) -> None:
    record(
        actor=actor,
        action=action,
        target_kind="price",
        target_id=price.id,
        target_name=f"{price.provider}/{price.model}" if price.provider else price.model,
        details=details,
    )
    transaction.on_commit(forget_ingest_settings)

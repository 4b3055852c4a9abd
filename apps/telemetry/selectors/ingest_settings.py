"""What an organization has said about its own telemetry: redaction rules and prices, cached for a few seconds."""

import threading
import time
from typing import NamedTuple
from uuid import UUID

from apps.core.tenancy import scope
from apps.telemetry.models import OwnPrice, RedactionRule
from apps.telemetry.prices.book import Book, OwnRate
from apps.telemetry.rules.redaction import Redaction, Redactor

# How long another process may go on with the former rules and prices.
CACHE_SECONDS = 5.0


class IngestSettings(NamedTuple):
    """Applied to every span before it is stored."""

    redactor: Redactor
    book: Book


_cache: dict[UUID, tuple[float, tuple, IngestSettings]] = {}
_lock = threading.Lock()


def ingest_settings(organization_id: UUID) -> IngestSettings:
    """Return the organization's rules and prices, at most CACHE_SECONDS old."""
    now = time.monotonic()
    cached = _cache.get(organization_id)
    if cached is not None and cached[0] > now:
        return cached[2]
    with scope(organization_id):
        rules = tuple(
            Redaction(rule.key, rule.pattern, rule.replacement)
            for rule in RedactionRule.objects.filter(is_enabled=True).order_by("id")
        )
        rates = tuple(price.rate() for price in OwnPrice.objects.filter(withdrawn_at=None).order_by("id"))
    stated: tuple[tuple[Redaction, ...], tuple[OwnRate, ...]] = (rules, rates)
    # Unchanged statements keep the price book, which has compiled prices worth keeping.
    current = cached[2] if cached is not None and cached[1] == stated else IngestSettings(Redactor(rules), Book(rates))
    with _lock:
        _cache[organization_id] = (now + CACHE_SECONDS, stated, current)
    return current


def price_book_for(organization_id: UUID) -> Book:
    """Return the organization's price book, at most CACHE_SECONDS old: no query in the usual case."""
    return ingest_settings(organization_id).book


def forget_ingest_settings() -> None:
    """Empty this process's cache (after a change here; other processes follow within CACHE_SECONDS)."""
    with _lock:
        _cache.clear()

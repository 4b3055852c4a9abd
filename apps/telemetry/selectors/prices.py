"""What the organization's models cost by now, and which of them nobody has a price for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.core.tenancy import current_organization_id
from apps.telemetry.models import OwnPrice, Recomputation, UsageHour
from apps.telemetry.prices.book import REPORTED, UNPRICED, Quote
from apps.telemetry.selectors.ingest_settings import price_book_for

# How far back the page of prices looks for models in use.
SEEN_DAYS = 90


@dataclass(frozen=True)
class ModelSeen:
    """One model in the organization's telemetry, as it was sent, with the price that a call would have now."""

    provider: str
    model: str
    call_count: int
    unpriced_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    quote: Quote

    @property
    def state(self) -> str:
        """Return the quote's state, or `reported` where clients' amounts stand in for a price."""
        is_reported = self.quote.state == UNPRICED and self.cost_usd > 0 and not self.unpriced_count
        return REPORTED if is_reported else self.quote.state

    @property
    def is_behind(self) -> bool:
        """Tell whether calls without a cost could have one by now."""
        return bool(self.unpriced_count) and self.quote.state != UNPRICED

    @property
    def urgency(self) -> int:
        """Return 0 for a model without a price, then calls that wait for one, then what only clients price."""
        if self.state == UNPRICED:
            return 0
        return 1 if self.is_behind else 2 if self.state == REPORTED else 3


def models_seen(*, now: datetime) -> list[ModelSeen]:
    """Return the models of the last SEEN_DAYS days, those without a price first."""
    rows = (
        UsageHour.objects.filter(hour__gte=now - timedelta(days=SEEN_DAYS))
        .exclude(model=None, input_tokens=0, output_tokens=0)
        .filter(tool=None)
        .values("provider", "model")
        .annotate(
            calls=Sum("call_count"),
            unpriced=Sum("unpriced_count"),
            entered=Sum("input_tokens"),
            answered=Sum("output_tokens"),
            cost=Coalesce(Sum("cost_usd"), Decimal(0)),
        )
    )
    book = price_book_for(current_organization_id())
    seen = [
        ModelSeen(
            provider=row["provider"] or "",
            model=row["model"] or "",
            call_count=row["calls"],
            unpriced_count=row["unpriced"],
            input_tokens=row["entered"],
            output_tokens=row["answered"],
            cost_usd=row["cost"],
            quote=book.quote(row["provider"], row["model"], now),
        )
        for row in rows
    ]
    return sorted(seen, key=lambda model: (model.urgency, -model.cost_usd, -model.call_count, model.model))


def own_prices() -> QuerySet[OwnPrice]:
    """Return the organization's own prices, newest first within each model; withdrawn ones last."""
    return OwnPrice.objects.order_by("withdrawn_at", "model", "provider", "-valid_from")


def recomputations(*, count: int = 5) -> QuerySet[Recomputation]:
    """Return the latest recomputations, the newest first."""
    return Recomputation.objects.order_by("-requested_at")[:count]

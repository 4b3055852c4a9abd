"""What an organization says about its own telemetry: redaction, prices, recomputation of costs."""

from django.db import models
from django.urls import reverse
from django.utils import timezone

from apps.core.tenancy import TenantModel
from apps.telemetry.models.money import COST
from apps.telemetry.prices.book import OwnRate


class RedactionRule(TenantModel):
    """What must not be stored: an attribute key or a pattern in texts, replaced before storage."""

    name = models.CharField(max_length=100)
    key = models.CharField(max_length=200, blank=True)
    pattern = models.CharField(max_length=500, blank=True)
    replacement = models.CharField(max_length=100, default="[redacted]")
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="redactionrule_name"),
            models.CheckConstraint(
                condition=models.Q(key="", pattern__gt="") | models.Q(key__gt="", pattern=""),
                name="redactionrule_key_or_pattern",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the organization's redaction rules."""
        return reverse("telemetry:redaction_rules", args=[self.organization.slug])


class OwnPrice(TenantModel):
    """What the organization really pays for a model, from one day to another (both included); USD per million tokens.

    A price is never edited: it ends and another one follows, or it is withdrawn as if it had never been.
    """

    provider = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=200)
    input_per_million = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    output_per_million = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    cache_read_per_million = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    cache_write_per_million = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    discount_percent = models.DecimalField(max_digits=5, decimal_places=2, default=0)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=300, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "provider", "model", "valid_from"],
                name="ownprice_once",
                condition=models.Q(withdrawn_at=None),
            ),
            models.CheckConstraint(
                condition=models.Q(discount_percent__gte=0, discount_percent__lte=100), name="ownprice_discount"
            ),
            models.CheckConstraint(
                condition=models.Q(valid_until=None) | models.Q(valid_until__gte=models.F("valid_from")),
                name="ownprice_days",
            ),
        ]

    class Walls:
        # Prices explain the costs of the past: none is deleted.
        app = "select, insert, update"

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from}"

    def get_absolute_url(self) -> str:
        """Return the address of the organization's prices."""
        return reverse("telemetry:price_settings", args=[self.organization.slug])

    def rate(self) -> OwnRate:
        """Return the price as the price book takes it."""
        return OwnRate(
            model=self.model,
            provider=self.provider,
            input=self.input_per_million,
            output=self.output_per_million,
            cache_read=self.cache_read_per_million,
            cache_write=self.cache_write_per_million,
            discount_percent=self.discount_percent,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


class Recomputation(TenantModel):
    """Due work: the costs of the days from `since` to `until` (both included) are computed anew.

    Days before `next_day` are done; `cursor` is the last span of `next_day` that is done: its start, trace and id.
    """

    since = models.DateField()
    until = models.DateField()
    next_day = models.DateField()
    cursor = models.JSONField(null=True)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=300)
    seen_count = models.BigIntegerField(default=0)
    changed_count = models.BigIntegerField(default=0)
    difference_usd = models.DecimalField(default=0, **COST)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # One at a time, so that the later one's prices are the ones that remain.
            models.UniqueConstraint(
                fields=["organization"], name="recomputation_open", condition=models.Q(finished_at=None)
            ),
        ]

    class Walls:
        everyone = "select"

    def __str__(self) -> str:
        return f"costs of {self.since} to {self.until}"

    def get_absolute_url(self) -> str:
        """Return the address of the organization's prices."""
        return reverse("telemetry:price_settings", args=[self.organization.slug])

    @property
    def day_count(self) -> int:
        """Return how many days are to be done."""
        return (self.until - self.since).days + 1

    @property
    def done_day_count(self) -> int:
        """Return how many days are done."""
        return (self.next_day - self.since).days

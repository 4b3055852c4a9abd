"""What an organization says about its own telemetry: redaction, prices, recomputation of costs."""

from django.db import models
from django.urls import reverse
from django.utils import timezone

from apps.core.tenancy import TenantModel
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
    """What the organization really pays for a model, from a day on; USD per million tokens."""

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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "provider", "model", "valid_from"], name="ownprice_once"),
            models.CheckConstraint(
                condition=models.Q(discount_percent__gte=0, discount_percent__lt=100), name="ownprice_discount"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from}"

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
    """Due work: the costs of a time range are computed anew, day by day from `next_day` on."""

    since = models.DateField()
    until = models.DateField()
    next_day = models.DateField()
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=300)
    changed_count = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization"], name="recomputation_due", condition=models.Q(finished_at=None))
        ]

    class Walls:
        everyone = "select"

    def __str__(self) -> str:
        return f"costs of {self.since} to {self.until}"

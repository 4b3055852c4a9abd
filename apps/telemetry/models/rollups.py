"""What is summed up per hour, and which hours no longer hold."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.core.ids import uuid7
from apps.core.tenancy import TenantRow
from apps.telemetry.models.money import COST


class StaleHour(TenantRow):
    """Due work: the rollups of an hour no longer match its tasks. Written with the change, claimed by the worker."""

    pk = models.CompositePrimaryKey("organization_id", "hour")
    hour = models.DateTimeField()
    marked_at = models.DateTimeField(default=timezone.now)

    class Walls:
        everyone = "select"

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00"


class TaskHour(TenantRow):
    """The tasks that began in one hour, summed per agent, version, environment, type and model.

    Replaced as a whole whenever a task of the hour changes. Latency and cost are kept as log-scale histograms
    (rules.histogram) that merge without losing their 1 % relative accuracy.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    hour = models.DateTimeField()
    agent = models.TextField()
    agent_version = models.TextField(null=True)
    environment = models.TextField(null=True)
    task_type = models.TextField(null=True)
    model = models.TextField(null=True)
    task_count = models.IntegerField()
    succeeded_count = models.IntegerField()
    failed_count = models.IntegerField()
    abandoned_count = models.IntegerField()
    open_count = models.IntegerField()
    # Tasks whose outcome is known by the best evidence there is (rules.sums.is_good), and those with a good one.
    known_count = models.IntegerField(default=0)
    good_count = models.IntegerField(default=0)
    judged_count = models.IntegerField()
    judged_success_count = models.IntegerField()
    feedback_count = models.IntegerField()
    feedback_success_count = models.IntegerField()
    escalated_count = models.IntegerField()
    by_reason = models.JSONField()
    by_error = models.JSONField()
    by_outcome = models.JSONField(default=dict)
    hidden_error_count = models.IntegerField()
    priced_count = models.IntegerField()
    unpriced_count = models.IntegerField()
    cost_usd = models.DecimalField(**COST)
    valued_count = models.IntegerField()
    value_usd = models.DecimalField(**COST)
    valued_cost_usd = models.DecimalField(**COST)
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    latency_us = models.BigIntegerField()
    model_us = models.BigIntegerField()
    tool_us = models.BigIntegerField()
    human_us = models.BigIntegerField()
    queue_us = models.BigIntegerField()
    own_us = models.BigIntegerField()
    latency_buckets = ArrayField(models.IntegerField())
    latency_counts = ArrayField(models.IntegerField())
    cost_buckets = ArrayField(models.IntegerField())
    cost_counts = ArrayField(models.IntegerField())

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "hour"], name="taskhour_hour"),
            models.Index(fields=["organization_id", "agent", "hour"], name="taskhour_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.hour:%Y-%m-%d %H}:00"


class UsageHour(TenantRow):
    """The model and tool calls of one hour, summed per agent, version, environment, provider, model and tool."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    hour = models.DateTimeField()
    agent = models.TextField()
    agent_version = models.TextField(null=True)
    environment = models.TextField(null=True)
    provider = models.TextField(null=True)
    model = models.TextField(null=True)
    tool = models.TextField(null=True)
    call_count = models.IntegerField()
    error_count = models.IntegerField()
    unpriced_count = models.IntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cost_usd = models.DecimalField(**COST)
    duration_us = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["organization_id", "hour"], name="usagehour_hour")]

    def __str__(self) -> str:
        return f"{self.model or self.tool} {self.hour:%Y-%m-%d %H}:00"

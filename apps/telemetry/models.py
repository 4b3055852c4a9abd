"""Telemetry: spans as they came, and what is computed from them (traces, tasks, hours).

Tables that grow are keyed by organization first and carry no foreign keys, so that they can be distributed. Spans and
payloads are partitioned by day; their tables are made by SQL in the migrations (Django has no words for partitions).
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse
from django.utils import timezone

from apps.core.tenancy import TenantModel, TenantRow

COST: dict[str, Any] = {"max_digits": 20, "decimal_places": 10}


class Span(TenantRow):
    """One step of an agent's work, as it was reported and priced. Durations in microseconds, tokens as integers.

    `input_tokens` includes cache reads and writes. `cost_usd` is computed from `price_state`'s source: priced (public
    table), own (the organization's price), reported (the client's amount, for lack of a price), unpriced (tokens but
    no price: NULL, never 0), none (nothing to price).
    """

    pk = models.CompositePrimaryKey("organization_id", "trace_id", "span_id", "started_at")
    trace_id = models.TextField()
    span_id = models.TextField()
    started_at = models.DateTimeField()
    duration_us = models.BigIntegerField(null=True)
    received_at = models.DateTimeField()
    parent_span_id = models.TextField(null=True)
    name = models.TextField()
    kind = models.TextField()
    status = models.TextField()
    status_message = models.TextField(null=True)
    error_type = models.TextField(null=True)
    error_category = models.TextField(null=True)
    agent = models.TextField()
    agent_version = models.TextField(null=True)
    environment = models.TextField(null=True)
    task_id = models.TextField(null=True)
    task_type = models.TextField(null=True)
    conversation_id = models.TextField(null=True)
    user_id = models.TextField(null=True)
    provider = models.TextField(null=True)
    model = models.TextField(null=True)
    tool = models.TextField(null=True)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cache_read_tokens = models.BigIntegerField(null=True)
    cache_write_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    cost_usd = models.DecimalField(null=True, **COST)
    price_state = models.TextField()
    reported_cost_usd = models.DecimalField(null=True, **COST)
    is_usage_summary = models.BooleanField()
    escalation_reason = models.TextField(null=True)
    attributes = models.JSONField()

    class Meta:
        managed = False
        db_table = "telemetry_span"

    class Walls:
        app = "select, insert, update"
        ingest = "insert"

    def __str__(self) -> str:
        return f"{self.name} ({self.span_id})"


class Payload(TenantRow):
    """What a step was given and what it answered, and its events; stored apart so that lists never read it."""

    pk = models.CompositePrimaryKey("organization_id", "trace_id", "span_id", "started_at")
    trace_id = models.TextField()
    span_id = models.TextField()
    started_at = models.DateTimeField()
    input = models.TextField(null=True)
    output = models.TextField(null=True)
    events = models.JSONField(null=True)

    class Meta:
        managed = False
        db_table = "telemetry_payload"

    class Walls:
        app = "select, insert"
        ingest = "insert"

    def __str__(self) -> str:
        return f"payload of {self.span_id}"


class Touch(TenantRow):
    """Due work: a trace got spans and must be folded again. Written with the spans, claimed by the worker."""

    id = models.BigAutoField(primary_key=True)
    trace_id = models.TextField()
    started_at = models.DateTimeField()
    touched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["organization_id", "id"], name="touch_queue")]

    class Walls:
        ingest = "insert"
        # The sweep lists the organizations that have work.
        everyone = "select"

    def __str__(self) -> str:
        return f"{self.trace_id} touched {self.touched_at}"


class Trace(TenantRow):
    """The summary of one trace, computed from its spans and replaced whenever they change."""

    pk = models.CompositePrimaryKey("organization_id", "trace_id")
    trace_id = models.TextField()
    task_id = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    name = models.TextField()
    status = models.TextField()
    status_message = models.TextField(null=True)
    error_category = models.TextField(null=True)
    escalation_reason = models.TextField(null=True)
    agent = models.TextField()
    agent_version = models.TextField(null=True)
    environment = models.TextField(null=True)
    task_type = models.TextField(null=True)
    explicit_task_id = models.TextField(null=True)
    conversation_id = models.TextField(null=True)
    user_id = models.TextField(null=True)
    model = models.TextField(null=True)
    model_names = ArrayField(models.TextField(), default=list)
    tools = ArrayField(models.TextField(), default=list)
    agents = ArrayField(models.TextField(), default=list)
    span_count = models.IntegerField()
    error_count = models.IntegerField()
    model_call_count = models.IntegerField(default=0)
    tool_call_count = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(null=True, **COST)
    reported_cost_usd = models.DecimalField(null=True, **COST)
    unpriced_count = models.IntegerField(default=0)
    model_us = models.BigIntegerField(default=0)
    tool_us = models.BigIntegerField(default=0)
    human_us = models.BigIntegerField(default=0)
    queue_us = models.BigIntegerField(default=0)
    own_us = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} ({self.trace_id})"


class Task(TenantRow):
    """One unit of work that the organization cares about: its attempts, its end, what it took and what it was worth.

    `status` is running, waiting, succeeded, failed or abandoned. The three readings of success: A `status`, B
    `evaluated_success`, C `user_success`.
    """

    pk = models.CompositePrimaryKey("organization_id", "task_id")
    task_id = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    name = models.TextField()
    status = models.TextField()
    status_message = models.TextField(null=True)
    error_category = models.TextField(null=True)
    escalation_reason = models.TextField(null=True)
    agent = models.TextField()
    agent_version = models.TextField(null=True)
    environment = models.TextField(null=True)
    task_type = models.TextField(null=True)
    conversation_id = models.TextField(null=True)
    user_id = models.TextField(null=True)
    model = models.TextField(null=True)
    tools = ArrayField(models.TextField(), default=list)
    attempt_count = models.IntegerField(default=1)
    trace_ids = ArrayField(models.TextField(), default=list)
    span_count = models.IntegerField(default=0)
    hidden_error_count = models.IntegerField(default=0)
    model_call_count = models.IntegerField(default=0)
    tool_call_count = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(null=True, **COST)
    reported_cost_usd = models.DecimalField(null=True, **COST)
    unpriced_count = models.IntegerField(default=0)
    latency_us = models.BigIntegerField(null=True)
    model_us = models.BigIntegerField(default=0)
    tool_us = models.BigIntegerField(default=0)
    human_us = models.BigIntegerField(default=0)
    queue_us = models.BigIntegerField(default=0)
    own_us = models.BigIntegerField(default=0)
    evaluated_success = models.BooleanField(null=True)
    user_success = models.BooleanField(null=True)
    user_score = models.FloatField(null=True)
    business_value_usd = models.DecimalField(null=True, **COST)
    outcome_name = models.TextField(null=True)
    outcome_at = models.DateTimeField(null=True)
    folded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "-started_at", "task_id"], name="task_newest"),
            models.Index(fields=["organization_id", "agent", "-started_at"], name="task_agent"),
            models.Index(
                fields=["organization_id", "conversation_id"],
                name="task_waiting",
                condition=models.Q(status="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.task_id})"


class StaleHour(TenantRow):
    """Due work: the rollups of an hour no longer match its tasks. Written with the change, claimed by the worker."""

    pk = models.CompositePrimaryKey("organization_id", "hour")
    hour = models.DateTimeField()
    marked_at = models.DateTimeField(default=timezone.now)

    class Walls:
        everyone = "select"

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00"


class Sighting(TenantRow):
    """An agent seen in telemetry, registered or not."""

    pk = models.CompositePrimaryKey("organization_id", "agent")
    agent = models.TextField()
    sent_name = models.TextField()
    environment = models.TextField(null=True)
    agent_version = models.TextField(null=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.agent


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

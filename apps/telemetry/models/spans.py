"""Spans as they came; partitioned by day, made by SQL in the migrations (Django has no words for partitions)."""

from django.db import models
from django.db.models.functions import Now

from apps.core.tenancy import TenantRow
from apps.telemetry.models.money import COST


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
    """Due work: a trace got spans, or a task an outcome, and must be folded again; claimed by the worker."""

    id = models.BigAutoField(primary_key=True)
    trace_id = models.TextField(null=True)
    task_id = models.TextField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["organization_id", "id"], name="touch_queue")]

    class Walls:
        ingest = "insert"
        # The sweep lists the organizations that have work.
        everyone = "select"

    def __str__(self) -> str:
        return f"{self.trace_id} touched {self.touched_at}"

"""What is computed from spans: traces and tasks, what came of them, and which agents were seen."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.core.ids import uuid7
from apps.core.tenancy import TenantRow
from apps.telemetry.models.money import COST


class Trace(TenantRow):
    """The summary of one trace, computed from its spans and replaced whenever they change."""

    pk = models.CompositePrimaryKey("organization_id", "trace_id")
    trace_id = models.TextField()
    task_id = models.TextField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(default=timezone.now)
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
    # The calls per agent, model and tool (rules.facts.Use): what the usage of an hour is summed from.
    usage = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "-started_at", "trace_id"], name="trace_newest"),
            models.Index(fields=["organization_id", "task_id"], name="trace_task"),
            models.Index(
                fields=["organization_id", "conversation_id", "started_at"],
                name="trace_conversation",
                condition=models.Q(conversation_id__isnull=False),
            ),
        ]

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
            # Tasks that time alone may end.
            models.Index(
                fields=["organization_id", "started_at"],
                name="task_open",
                condition=models.Q(status__in=["running", "waiting"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.task_id})"


class Outcome(TenantRow):
    """What came of a task, told by somebody after the fact; the latest statement on each question counts."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    task_id = models.TextField(null=True)
    trace_id = models.TextField(null=True)
    source = models.TextField()
    evaluated_success = models.BooleanField(null=True)
    user_success = models.BooleanField(null=True)
    user_score = models.FloatField(null=True)
    business_value_usd = models.DecimalField(null=True, **COST)
    outcome_name = models.TextField(null=True)
    comment = models.TextField(null=True)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "task_id"], name="outcome_task"),
            models.Index(fields=["organization_id", "trace_id"], name="outcome_trace"),
        ]

    class Walls:
        app = "select, insert"

    def __str__(self) -> str:
        return f"{self.outcome_name or 'outcome'} of {self.task_id or self.trace_id}"


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

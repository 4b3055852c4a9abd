"""`/api/v1/tasks`: units of work, and what came of them."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.tenancy import current_organization_id
from apps.core.times import rfc3339
from apps.organizations.doors import actor_of
from apps.telemetry.api.queries import (
    PAGE_PARAMETERS,
    SLICE_PARAMETERS,
    TAGS,
    TokensShape,
    milliseconds,
    money,
    page_answer,
    page_shape,
    parameter,
    read_page,
    read_run_filter,
)
from apps.telemetry.models import Task
from apps.telemetry.selectors.runs import TASK_STATUSES, find_task, task_page, traces_of
from apps.telemetry.services.outcomes import record_outcome
from apps.telemetry.services.settle import settle

_FILTERS = (
    "agent",
    "version",
    "environment",
    "task_type",
    "model",
    "status",
    "error",
    "escalation_reason",
    "conversation_id",
    "initiated_by",
    "q",
)
OutcomeShape = inline_serializer(
    "TaskOutcome",
    {
        "evaluated_success": serializers.BooleanField(allow_null=True),
        "user_success": serializers.BooleanField(allow_null=True),
        "user_score": serializers.FloatField(allow_null=True),
        "business_value_usd": serializers.CharField(allow_null=True),
        "outcome": serializers.CharField(allow_null=True),
        "recorded_at": serializers.DateTimeField(allow_null=True),
    },
)
_TASK: dict[str, Any] = {
    "task_id": serializers.CharField(),
    "agent": serializers.CharField(),
    "agent_version": serializers.CharField(allow_null=True),
    "environment": serializers.CharField(allow_null=True),
    "task_type": serializers.CharField(allow_null=True),
    "name": serializers.CharField(),
    "status": serializers.ChoiceField(choices=TASK_STATUSES),
    "started_at": serializers.DateTimeField(),
    "ended_at": serializers.DateTimeField(allow_null=True),
    "latency_ms": serializers.FloatField(allow_null=True),
    "components_ms": serializers.DictField(child=serializers.FloatField()),
    "attempts": serializers.IntegerField(),
    "trace_ids": serializers.ListField(child=serializers.CharField()),
    "conversation_id": serializers.CharField(allow_null=True),
    "initiated_by": serializers.CharField(allow_null=True),
    "model": serializers.CharField(allow_null=True),
    "tools": serializers.ListField(child=serializers.CharField()),
    "spans": serializers.IntegerField(),
    "model_calls": serializers.IntegerField(),
    "tool_calls": serializers.IntegerField(),
    "hidden_errors": serializers.IntegerField(),
    "tokens": TokensShape(),
    "cost_usd": serializers.CharField(allow_null=True),
    "reported_cost_usd": serializers.CharField(allow_null=True),
    "unpriced_calls": serializers.IntegerField(),
    "error_category": serializers.CharField(allow_null=True),
    "error_message": serializers.CharField(allow_null=True),
    "escalation_reason": serializers.CharField(allow_null=True),
    "outcome": OutcomeShape,
}
TaskShape = inline_serializer("Task", _TASK)
TaskPageShape = page_shape("Task", _TASK)


class OutcomeRequest(serializers.Serializer):
    """What came of a task; every member is optional, at least one is needed."""

    evaluated_success = serializers.BooleanField(required=False, allow_null=True, default=None)
    user_success = serializers.BooleanField(required=False, allow_null=True, default=None)
    user_score = serializers.FloatField(required=False, allow_null=True, default=None)
    business_value_usd = serializers.DecimalField(
        max_digits=20, decimal_places=10, required=False, allow_null=True, default=None
    )
    outcome = serializers.CharField(max_length=100, required=False, allow_null=True, default=None)
    comment = serializers.CharField(required=False, allow_null=True, default=None)


class Tasks(APIView):
    """All tasks."""

    @extend_schema(
        tags=TAGS,
        operation_id="tasks_list",
        parameters=[
            *SLICE_PARAMETERS,
            parameter("status", "State of the task", enum=TASK_STATUSES),
            parameter("error", "Category of the error"),
            parameter("escalation_reason", "Why a person had to act"),
            parameter("conversation_id", "Conversation"),
            parameter("initiated_by", "User for whom the task was begun"),
            parameter("q", "Text: an id, or part of a name"),
            *PAGE_PARAMETERS,
        ],
        responses=TaskPageShape,
    )
    def get(self, request: Request) -> Response:
        """Return tasks, the newest first."""
        chosen, wanted = read_run_filter(request.GET, *_FILTERS), read_page(request.GET)
        settle(current_organization_id())
        page = task_page(chosen, **wanted)
        return Response(page_answer([shown(task) for task in page.rows], page.next_cursor))


class TaskDetail(APIView):
    """One task."""

    @extend_schema(tags=TAGS, operation_id="tasks_get", responses=TaskShape)
    def get(self, request: Request, task_id: str) -> Response:
        """Return a task with its traces; the id of one of its traces will do."""
        settle(current_organization_id())
        task = find_task(task_id)
        traces = [
            {
                "trace_id": trace.trace_id,
                "name": trace.name,
                "status": trace.status,
                "started_at": rfc3339(trace.started_at),
                "ended_at": rfc3339(trace.ended_at) if trace.ended_at else None,
            }
            for trace in traces_of(task)
        ]
        return Response({**shown(task), "traces": traces})


class TaskOutcome(APIView):
    """What came of one task."""

    scopes = {"POST": "write"}

    @extend_schema(tags=TAGS, operation_id="tasks_outcome", request=OutcomeRequest, responses=TaskShape)
    def post(self, request: Request, task_id: str) -> Response:
        """Record an evaluation, a user's mark, a business value or a named outcome, however late."""
        sent = OutcomeRequest(data=request.data)
        sent.is_valid(raise_exception=True)
        organization_id = current_organization_id()
        settle(organization_id)
        task = find_task(task_id)
        stated = dict(sent.validated_data)
        record_outcome(
            actor=actor_of(request), task_id=task.task_id, outcome_name=stated.pop("outcome"), **stated, source="api"
        )
        settle(organization_id)
        return Response(shown(find_task(task.task_id)))


def shown(task: Task) -> dict[str, Any]:
    """Return a task as it travels."""
    return {
        "task_id": task.task_id,
        "agent": task.agent,
        "agent_version": task.agent_version,
        "environment": task.environment,
        "task_type": task.task_type,
        "name": task.name,
        "status": task.status,
        "started_at": rfc3339(task.started_at),
        "ended_at": rfc3339(task.ended_at) if task.ended_at else None,
        "latency_ms": milliseconds(task.latency_us),
        "components_ms": {
            name: milliseconds(getattr(task, f"{name}_us")) for name in ("model", "tool", "human", "queue", "own")
        },
        "attempts": task.attempt_count,
        "trace_ids": task.trace_ids,
        "conversation_id": task.conversation_id,
        "initiated_by": task.user_id,
        "model": task.model,
        "tools": task.tools,
        "spans": task.span_count,
        "model_calls": task.model_call_count,
        "tool_calls": task.tool_call_count,
        "hidden_errors": task.hidden_error_count,
        "tokens": {"input": task.input_tokens, "output": task.output_tokens},
        "cost_usd": money(task.cost_usd),
        "reported_cost_usd": money(task.reported_cost_usd),
        "unpriced_calls": task.unpriced_count,
        "error_category": task.error_category,
        "error_message": task.status_message,
        "escalation_reason": task.escalation_reason,
        "outcome": {
            "evaluated_success": task.evaluated_success,
            "user_success": task.user_success,
            "user_score": task.user_score,
            "business_value_usd": money(task.business_value_usd),
            "outcome": task.outcome_name,
            "recorded_at": rfc3339(task.outcome_at) if task.outcome_at else None,
        },
    }

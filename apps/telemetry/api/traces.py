"""`/api/v1/traces`: single runs and their steps."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.tenancy import current_organization_id
from apps.core.times import rfc3339
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
from apps.telemetry.models import Payload, Span, Trace
from apps.telemetry.selectors.runs import find_trace, trace_page
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
    "task_id",
    "q",
)
_SUMMARY: dict[str, Any] = {
    "trace_id": serializers.CharField(),
    "task_id": serializers.CharField(),
    "name": serializers.CharField(),
    "agent": serializers.CharField(),
    "agent_version": serializers.CharField(allow_null=True),
    "environment": serializers.CharField(allow_null=True),
    "status": serializers.CharField(),
    "started_at": serializers.DateTimeField(),
    "ended_at": serializers.DateTimeField(allow_null=True),
    "duration_ms": serializers.FloatField(allow_null=True),
    "conversation_id": serializers.CharField(allow_null=True),
    "model": serializers.CharField(allow_null=True),
    "tools": serializers.ListField(child=serializers.CharField()),
    "span_count": serializers.IntegerField(),
    "error_count": serializers.IntegerField(),
    "tokens": TokensShape(),
    "cost_usd": serializers.CharField(allow_null=True),
    "error_category": serializers.CharField(allow_null=True),
    "escalation_reason": serializers.CharField(allow_null=True),
}
_SPAN: dict[str, Any] = {
    "span_id": serializers.CharField(),
    "parent_span_id": serializers.CharField(allow_null=True),
    "name": serializers.CharField(),
    "kind": serializers.CharField(),
    "agent": serializers.CharField(),
    "status": serializers.CharField(),
    "started_at": serializers.DateTimeField(),
    "duration_ms": serializers.FloatField(allow_null=True),
    "model": serializers.CharField(allow_null=True),
    "tool": serializers.CharField(allow_null=True),
    "input_tokens": serializers.IntegerField(allow_null=True),
    "output_tokens": serializers.IntegerField(allow_null=True),
    "cost_usd": serializers.CharField(allow_null=True),
    "attributes": serializers.DictField(),
}
TracePageShape = page_shape("Trace", _SUMMARY)
TraceShape = inline_serializer(
    "Trace",
    {
        "trace_id": serializers.CharField(),
        "summary": inline_serializer("TraceSummaryOfOne", _SUMMARY, allow_null=True),
        "spans": inline_serializer("Span", _SPAN, many=True),
    },
)


class Traces(APIView):
    """All traces."""

    @extend_schema(
        tags=TAGS,
        operation_id="traces_list",
        parameters=[
            *SLICE_PARAMETERS,
            parameter("status", "State of the trace"),
            parameter("error", "Category of the error"),
            parameter("escalation_reason", "Why a person had to act"),
            parameter("conversation_id", "Conversation"),
            parameter("initiated_by", "User for whom the task was begun"),
            parameter("task_id", "Task"),
            parameter("q", "Text: an id, or part of a name"),
            *PAGE_PARAMETERS,
        ],
        responses=TracePageShape,
    )
    def get(self, request: Request) -> Response:
        """Return traces, the newest first."""
        chosen, wanted = read_run_filter(request.GET, *_FILTERS), read_page(request.GET)
        settle(current_organization_id())
        page = trace_page(chosen, **wanted)
        return Response(page_answer([summary(trace) for trace in page.rows], page.next_cursor))


class TraceDetail(APIView):
    """One trace."""

    @extend_schema(
        tags=TAGS,
        operation_id="traces_get",
        parameters=[parameter("include", "`payload` adds inputs, outputs and events", enum=["payload"])],
        responses=TraceShape,
    )
    def get(self, request: Request, trace_id: str) -> Response:
        """Return a trace with its steps in the order in which they began."""
        settle(current_organization_id())
        tree = find_trace(trace_id, with_payloads=request.GET.get("include") == "payload")
        return Response(
            {
                "trace_id": tree.trace_id,
                "summary": summary(tree.trace) if tree.trace else None,
                "spans": [shown(span, tree.payloads.get(span.span_id)) for span in tree.spans],
            }
        )


def summary(trace: Trace) -> dict[str, Any]:
    """Return a trace's summary as it travels."""
    return {
        "trace_id": trace.trace_id,
        "task_id": trace.task_id,
        "name": trace.name,
        "agent": trace.agent,
        "agent_version": trace.agent_version,
        "environment": trace.environment,
        "status": trace.status,
        "started_at": rfc3339(trace.started_at),
        "ended_at": rfc3339(trace.ended_at) if trace.ended_at else None,
        "duration_ms": round((trace.ended_at - trace.started_at).total_seconds() * 1000, 3) if trace.ended_at else None,
        "conversation_id": trace.conversation_id,
        "model": trace.model,
        "tools": trace.tools,
        "span_count": trace.span_count,
        "error_count": trace.error_count,
        "tokens": {"input": trace.input_tokens, "output": trace.output_tokens},
        "cost_usd": money(trace.cost_usd),
        "error_category": trace.error_category,
        "escalation_reason": trace.escalation_reason,
    }


def shown(span: Span, payload: Payload | None = None) -> dict[str, Any]:
    """Return a step as it travels."""
    step: dict[str, Any] = {
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "kind": span.kind,
        "agent": span.agent,
        "status": span.status,
        "started_at": rfc3339(span.started_at),
        "duration_ms": milliseconds(span.duration_us),
        "model": span.model,
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cost_usd": money(span.cost_usd),
        "attributes": span.attributes,
        "provider": span.provider,
        "tool": span.tool,
        "cache_read_tokens": span.cache_read_tokens,
        "cache_write_tokens": span.cache_write_tokens,
        "reasoning_tokens": span.reasoning_tokens,
        "price_state": span.price_state,
        "reported_cost_usd": money(span.reported_cost_usd),
        "error_type": span.error_type,
        "error_category": span.error_category,
        "error_message": span.status_message,
        "escalation_reason": span.escalation_reason,
    }
    if payload is not None:
        step |= {"input": payload.input, "output": payload.output, "events": payload.events}
    return step

"""`GET /api/v1/metrics`: the six metrics of any slice, judged; as a series or broken down where asked for."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.errors import DomainError
from apps.core.tenancy import current_organization_id
from apps.core.times import rfc3339
from apps.registry.models import Agent
from apps.telemetry.api.queries import (
    SLICE_PARAMETERS,
    TAGS,
    TokensShape,
    milliseconds,
    money,
    parameter,
    read_interval,
    read_slice,
    read_text,
    rounded,
)
from apps.telemetry.rules import six
from apps.telemetry.rules.sums import Sums
from apps.telemetry.selectors.expectations import expectation
from apps.telemetry.selectors.metrics import DIMENSIONS, Picture, breakdown, series, six_metrics
from apps.telemetry.services.settle import settle

_FIELDS: dict[str, Any] = {
    "tasks": serializers.IntegerField(),
    "success_rate": serializers.FloatField(allow_null=True),
    "cost_usd": serializers.CharField(allow_null=True),
    "cost_per_task_usd": serializers.CharField(allow_null=True),
    "latency_ms": inline_serializer(
        "LatencyShape", {name: serializers.FloatField(allow_null=True) for name in ("p50", "p95", "p99")}
    ),
    "escalation_rate": serializers.FloatField(allow_null=True),
    "error_rate": serializers.FloatField(allow_null=True),
    "tokens": TokensShape(),
    "by_reason": serializers.DictField(child=serializers.IntegerField()),
    "by_error": serializers.DictField(child=serializers.IntegerField()),
}
MetricsShape = inline_serializer(
    "Metrics",
    {
        **_FIELDS,
        "period": inline_serializer("Period", {"from": serializers.DateTimeField(), "to": serializers.DateTimeField()}),
        "statuses": serializers.DictField(child=serializers.IntegerField()),
        "verdict": serializers.ChoiceField(choices=list(six.VERDICTS)),
        "metrics": serializers.DictField(child=serializers.DictField()),
        "series": serializers.ListField(child=serializers.DictField(), required=False),
        "breakdown": serializers.ListField(child=serializers.DictField(), required=False),
    },
)


class Metrics(APIView):
    """The six metrics."""

    @extend_schema(
        tags=TAGS,
        operation_id="metrics_get",
        parameters=[
            *SLICE_PARAMETERS,
            parameter(
                "kind",
                "Kind of agent that decides the latency limit (default: as its design says)",
                enum=list(six.LATENCY_LIMITS),
            ),
            parameter("interval", "Adds a series: 5m, 1h, 1d …"),
            parameter("by", "Adds a breakdown", enum=["agent", "version", *DIMENSIONS[2:]]),
        ],
        responses=MetricsShape,
    )
    def get(self, request: Request) -> Response:
        """Return tasks, rates, costs, latency percentiles, and the verdict on each of the six metrics."""
        chosen = read_slice(request.GET)
        kind = read_text(request.GET, "kind")
        if kind is not None and kind not in six.LATENCY_LIMITS:
            raise DomainError(
                f"kind is one of {', '.join(six.LATENCY_LIMITS)}.", code="invalid", field="kind", status=400
            )
        interval = read_interval(request.GET)
        settle(current_organization_id())
        agent = Agent.objects.select_related("current_version").filter(slug=chosen.agent).first()
        expected = expectation(agent)
        picture = six_metrics(chosen, kind=kind or expected.kind, baseline=expected.baseline)
        answer = _picture(picture)
        if interval is not None:
            answer["series"] = [{"at": rfc3339(at), **summary(sums)} for at, sums in series(chosen, interval)]
        if by := read_text(request.GET, "by"):
            parts = breakdown(chosen, "agent_version" if by == "version" else by)
            answer["breakdown"] = [{by: value, **summary(sums)} for value, sums in parts]
        return Response(answer)


def summary(sums: Sums) -> dict[str, Any]:
    """Return the fixed members of an answer."""
    p50, p95, p99 = sums.latency_quantiles_us(0.5, 0.95, 0.99)
    return {
        "tasks": sums.task_count,
        "success_rate": rounded(sums.success_rate),
        # Tasks whose cost nobody knows do not cost nothing.
        "cost_usd": money(sums.cost_usd) if sums.priced_count or not sums.task_count else None,
        "cost_per_task_usd": money(sums.cost_per_task_usd),
        "latency_ms": {"p50": milliseconds(p50), "p95": milliseconds(p95), "p99": milliseconds(p99)},
        "escalation_rate": rounded(sums.escalation_rate),
        "error_rate": rounded(sums.error_rate),
        "tokens": {"input": sums.input_tokens, "output": sums.output_tokens},
        "by_reason": sums.by_reason,
        "by_error": sums.by_error,
    }


def _picture(picture: Picture) -> dict[str, Any]:
    sums = picture.sums
    return {
        **summary(sums),
        "period": {"from": rfc3339(picture.slice.start), "to": rfc3339(picture.slice.end)},
        "statuses": {
            "succeeded": sums.succeeded_count,
            "failed": sums.failed_count,
            "abandoned": sums.abandoned_count,
            "open": sums.open_count,
        },
        "verdict": picture.verdict,
        "metrics": {key: judged(metric, picture.metrics_before[key]) for key, metric in picture.metrics.items()},
    }


def judged(metric: six.Metric, before: six.Metric | None = None) -> dict[str, Any]:
    """Return one judged metric; durations in milliseconds, money as strings."""
    return {
        "name": metric.name,
        "definition": metric.definition,
        "unit": {"us": "ms"}.get(metric.unit, metric.unit),
        "value": _value(metric, metric.value),
        "interval": None if metric.low is None else [_value(metric, metric.low), _value(metric, metric.high)],
        "healthy_range": None
        if metric.range_high is None
        else [_value(metric, metric.range_low), _value(metric, metric.range_high)],
        "tasks": metric.sample,
        "verdict": metric.verdict,
        "reason": metric.reason,
        "before": None if before is None else _value(before, before.value),
        "warning_signs": [
            {"code": sign.code, "text": sign.text, "statistic": sign.statistic, "chance": sign.chance}
            for sign in metric.signs
        ],
    }


def _value(metric: six.Metric, value: Any) -> Any:
    if value is None:
        return None
    if metric.unit == "usd":
        return money(value) if not isinstance(value, float) else f"{value:.10f}".rstrip("0").rstrip(".")
    return milliseconds(value) if metric.unit == "us" else rounded(value)

"""`GET /metrics`: Prometheus text of the organization whose key asks."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.core.api.schema import describe
from apps.core.tenancy import scope
from apps.organizations.doors import authenticate_key, open_to_people
from apps.telemetry.api.queries import TAGS
from apps.telemetry.rules.sums import Sums
from apps.telemetry.selectors.metrics import everything, read_sums, recent
from apps.telemetry.services.settle import settle

WINDOW = timedelta(hours=24)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Sample = tuple[Labels, Any]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@describe(
    "GET",
    "/metrics",
    tags=TAGS,
    scope="read",
    description="Metrics in the Prometheus text format. Gauges cover the last 24 hours, counters everything kept.",
    responses={"200": {"description": "Text 0.0.4", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@require_safe
@open_to_people
def prometheus(request: HttpRequest) -> HttpResponse:
    """Return gauges over the last 24 hours under the guide's names, and counters since the beginning."""
    credential = authenticate_key(request, scope="read")
    with scope(credential.organization_id):
        settle(credential.organization_id)
        text = exposition()
    return HttpResponse(text, content_type=CONTENT_TYPE)


def exposition() -> str:
    """Return all metrics of the organization in scope in the text format 0.0.4."""
    now = recent(WINDOW)
    lines: list[str] = []
    by_agent = _labelled(read_sums(now, by=("agent", "environment")), "agent", "env")
    by_model = _labelled(read_sums(now, by=("agent", "environment", "model")), "agent", "env", "model")
    by_type = _labelled(read_sums(now, by=("agent", "environment", "task_type")), "agent", "env", "task_type")
    lines += _family(
        "agent_task_success_rate",
        "gauge",
        "Share of tasks with a good outcome, last 24 hours.",
        ((labels, sums.success_rate) for labels, sums in by_agent),
    )
    lines += _family(
        "agent_cost_per_task",
        "gauge",
        "Mean cost of a task in US dollars by its primary model, last 24 hours.",
        ((labels, sums.cost_per_task_usd) for labels, sums in by_model),
    )
    for index, name in enumerate(("p50", "p95", "p99")):
        lines += _family(
            f"agent_latency_{name}",
            "gauge",
            f"{name} of the time from start to end of a task in seconds, last 24 hours.",
            ((labels, _seconds(sums, index)) for labels, sums in by_type),
        )
    lines += _family(
        "agent_escalation_rate",
        "gauge",
        "Share of tasks in which a person had to act, last 24 hours; with a reason label: for that reason.",
        _rates(by_agent, "escalation_rate", "by_reason", "reason", "task_count"),
    )
    lines += _family(
        "agent_error_rate",
        "gauge",
        "Share of ended tasks that failed, last 24 hours; with an error_type label: by that kind of error.",
        _rates(by_agent, "error_rate", "by_error", "error_type", "ended_count"),
    )
    lines += _family(
        "agent_open_tasks",
        "gauge",
        "Tasks begun in the last 24 hours that run or wait for a person.",
        ((labels, sums.open_count) for labels, sums in by_agent),
    )
    return "\n".join([*lines, *_counters(), ""])


def _counters() -> list[str]:
    ever = _labelled(
        read_sums(everything(), by=("agent", "environment", "model"), with_histograms=False), "agent", "env", "model"
    )
    lines = _family(
        "agent_tasks_total",
        "counter",
        "Tasks that ended, by how.",
        (
            ({**labels, "status": status}, getattr(sums, f"{status}_count"))
            for labels, sums in ever
            for status in ("succeeded", "failed", "abandoned")
        ),
    )
    lines += _family(
        "agent_cost_usd_total",
        "counter",
        "Cost of tasks in US dollars.",
        ((labels, sums.cost_usd) for labels, sums in ever if sums.priced_count),
    )
    lines += _family(
        "agent_tokens_total",
        "counter",
        "Tokens of tasks.",
        (
            ({**labels, "direction": direction}, getattr(sums, f"{direction}_tokens"))
            for labels, sums in ever
            for direction in ("input", "output")
        ),
    )
    lines += _family(
        "agent_escalations_total",
        "counter",
        "Tasks in which a person had to act, by reason.",
        (
            ({**labels, "reason": reason}, count)
            for labels, sums in ever
            for reason, count in sorted(sums.by_reason.items())
        ),
    )
    return lines + _family(
        "agent_errors_total",
        "counter",
        "Tasks that failed, by kind of error.",
        (
            ({**labels, "error_type": kind}, count)
            for labels, sums in ever
            for kind, count in sorted(sums.by_error.items())
        ),
    )


def _labelled(found: dict[tuple, Sums], *names: str) -> list[tuple[Labels, Sums]]:
    """Return sums with their labels; an unknown value is no label, as an empty one is to Prometheus."""
    merged: dict[tuple[str, ...], Sums] = {}
    for key, sums in found.items():
        merged.setdefault(tuple(value or "" for value in key), Sums()).add(sums)
    return [
        ({name: value for name, value in zip(names, key, strict=True) if value}, sums)
        for key, sums in sorted(merged.items())
    ]


def _rates(parts: list[tuple[Labels, Sums]], rate: str, by: str, label: str, whole: str) -> Iterable[Sample]:
    for labels, sums in parts:
        yield labels, getattr(sums, rate)
        total = getattr(sums, whole)
        for name, count in sorted(getattr(sums, by).items()):
            yield {**labels, label: name}, count / total if total else None


def _seconds(sums: Sums, index: int) -> float | None:
    value = sums.latency_quantiles_us(0.5, 0.95, 0.99)[index]
    return None if value is None else value / 1_000_000


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> list[str]:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        if value is None:
            continue
        inner = ",".join(f'{key}="{label.translate(_ESCAPES)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inner}}} {float(value):.10g}")
    return lines if len(lines) > 2 else []

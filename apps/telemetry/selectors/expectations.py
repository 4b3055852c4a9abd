"""What an agent's design says about how it is to be judged: its pace, and the outcome that it must improve on."""

import re
from dataclasses import dataclass
from datetime import timedelta

from apps.registry.models import Agent
from apps.registry.rules.document import Document
from apps.registry.selectors import design_of
from apps.telemetry.rules.six import DEFAULT_KIND, LATENCY_LIMITS, Baseline

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True)
class Expectation:
    """How to judge an agent: by the latency limit of its kind, and against its baseline where it states one."""

    kind: str = DEFAULT_KIND
    baseline: Baseline | None = None


NONE = Expectation()


def expectation(agent: Agent | None) -> Expectation:
    """Return what one agent's current design says."""
    if agent is None or agent.current_version is None:
        return NONE
    document = design_of(agent.current_version)
    return Expectation(_kind(document), _baseline(document))


def _kind(document: Document) -> str:
    """Return the kind of agent by the time limit that its design gives a task.

    Up to the limit of a kind the agent is of that kind: 30 seconds interactive, 5 minutes background, else a workflow.
    """
    limit = document.runtime_constraints.max_duration_seconds
    if limit is None:
        return DEFAULT_KIND
    for kind, longest in LATENCY_LIMITS.items():
        if timedelta(seconds=limit) <= longest:
            return kind
    return list(LATENCY_LIMITS)[-1]


def _baseline(document: Document) -> Baseline | None:
    """Return the first success metric that states a `baseline` beside its target, both in percent."""
    for metric in document.success_metrics:
        rate = _percent(metric.extra.get("baseline"))
        if rate is not None:
            return Baseline(metric.metric, rate, _percent(metric.target))
    return None


def _percent(text: object) -> float | None:
    found = _PERCENT.search(str(text)) if text is not None else None
    return float(found[1]) / 100 if found else None

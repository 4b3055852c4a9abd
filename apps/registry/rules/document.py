"""The design document: one structure behind the form, the API and both YAML shapes.

Every part has `extra`: keys that no field takes, kept at their place so that nothing is lost. Texts are stripped at
both ends; lists keep their order.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

PATTERNS = {
    "single": "Single agent",
    "supervisor": "Supervisor",
    "hierarchical": "Hierarchical",
    "pipeline": "Pipeline with specialists",
    "swarm": "Swarm",
    "map_reduce": "Map-reduce",
}
RISK_LEVELS = {"low": "Low", "medium": "Medium", "high": "High"}

type Extra = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """Who answers for the agent: a team, and the person in it (an e-mail address)."""

    team: str | None = None
    person: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """What the agent is for, and what it must leave alone."""

    in_scope: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Models:
    """The model that does the work and the one that steps in."""

    primary: str | None = None
    fallback: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Architecture:
    """How the agent is built."""

    pattern: str | None = None
    framework: str | None = None
    models: Models = field(default_factory=Models)
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Tool:
    """Something the agent can do to the world."""

    name: str
    purpose: str | None = None
    risk_level: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Oversight:
    """Where people come in (`hitl_requirements`)."""

    approval_required: tuple[str, ...] = ()
    escalation_triggers: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class SuccessMetric:
    """What success means, with its target as written."""

    metric: str
    target: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Security:
    """Data, permissions and regulations."""

    data_accessed: tuple[str, ...] = ()
    permissions_required: tuple[str, ...] = ()
    compliance_requirements: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Restriction:
    """Something the agent must not do (`no_admin_access`), or a limit with its value (`max_records_per_query: 100`)."""

    name: str
    value: Any = None


@dataclass(frozen=True)
class RuntimeConstraints:
    """Limits of a single task. Further limits stay in `extra` and are enforced by their name."""

    max_cost_per_task: Decimal | None = None
    max_duration_seconds: int | None = None
    max_records_per_query: int | None = None
    max_tool_calls_per_task: int | None = None
    allowed_models: tuple[str, ...] = ()
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A design, complete. `slug` is the guide's `id`; `version` is None where the text leaves it to the registry."""

    name: str
    slug: str
    version: str | None = None
    owner: Owner = field(default_factory=Owner)
    purpose: str | None = None
    scope: Scope = field(default_factory=Scope)
    architecture: Architecture = field(default_factory=Architecture)
    tools: tuple[Tool, ...] = ()
    hitl_requirements: Oversight = field(default_factory=Oversight)
    success_metrics: tuple[SuccessMetric, ...] = ()
    security: Security = field(default_factory=Security)
    capabilities: tuple[str, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    runtime_constraints: RuntimeConstraints = field(default_factory=RuntimeConstraints)
    approval_requirements: dict[str, str] = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)


def gaps(document: Document) -> list[str]:
    """Return what a complete design still lacks, as short phrases; an empty list says that it is complete."""
    wanted = {
        "an owner": document.owner.team or document.owner.person,
        "a purpose": document.purpose,
        "what is in scope": document.scope.in_scope,
        "what is out of scope": document.scope.out_of_scope,
        "an architecture pattern": document.architecture.pattern,
        "a primary model": document.architecture.models.primary,
        "tools or capabilities": document.tools or document.capabilities,
        "a success metric with its target": any(metric.target for metric in document.success_metrics),
        "the data it may read": document.security.data_accessed,
        "a cost limit per task": document.runtime_constraints.max_cost_per_task is not None,
        "a time limit per task": document.runtime_constraints.max_duration_seconds is not None,
    }
    missing = [what for what, present in wanted.items() if not present]
    unrated = [tool.name for tool in document.tools if tool.risk_level is None]
    if unrated:
        missing.append("a risk level for " + ", ".join(unrated))
    return missing

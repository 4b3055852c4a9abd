"""The designs with which the demo's agents are registered."""

from decimal import Decimal

from apps.home.demo.fleet import Profile
from apps.registry.rules.document import (
    Architecture,
    Document,
    Models,
    Oversight,
    Owner,
    RuntimeConstraints,
    Scope,
    Security,
    SuccessMetric,
    Tool,
)


def design(profile: Profile) -> Document:
    """Return the design document of one of the fleet's agents."""
    risky = [tool.name for tool in profile.tools if tool.risk == "high"]
    return Document(
        name=profile.name,
        slug=profile.slug,
        version=profile.versions[-1][1],
        owner=Owner(team=profile.team),
        purpose=profile.purpose,
        scope=Scope(in_scope=profile.task_types, out_of_scope=("anything about other travellers' data",)),
        architecture=Architecture(
            pattern=profile.pattern,
            framework=profile.framework,
            models=Models(
                primary=profile.models[0][1], fallback=profile.models[-1][1] if len(profile.models) > 1 else None
            ),
        ),
        tools=tuple(Tool(tool.name, tool.purpose, tool.risk) for tool in profile.tools),
        hitl_requirements=Oversight(approval_required=tuple(risky), escalation_triggers=tuple(profile.escalations)),
        success_metrics=(SuccessMetric(profile.outcome, profile.target, {"baseline": profile.baseline}),),
        security=Security(data_accessed=("bookings", "traveller names")),
        capabilities=tuple(tool.name for tool in profile.tools),
        runtime_constraints=RuntimeConstraints(
            max_cost_per_task=Decimal(profile.cost_limit),
            max_duration_seconds=profile.seconds,
            allowed_models=tuple(model for _, model in profile.models),
        ),
        approval_requirements=dict.fromkeys(risky, "manager_approval"),
    )

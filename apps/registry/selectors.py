"""Reads of the registry."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from apps.core.errors import Missing
from apps.organizations.models import Membership
from apps.registry.models import Agent, AgentVersion, Prompt, PromptVersion
from apps.registry.rules.difference import Change, Line, changes, lines
from apps.registry.rules.document import Document
from apps.registry.rules.reading import parse_data
from apps.registry.rules.writing import render_yaml


@dataclass(frozen=True)
class Comparison:
    """Two versions of a design: what changed per field and line by line."""

    old: AgentVersion
    new: AgentVersion
    changes: list[Change]
    lines: list[Line]


@dataclass(frozen=True)
class PromptComparison:
    """Two texts of a prompt, line by line."""

    old: PromptVersion
    new: PromptVersion
    lines: list[Line]


def agents(
    *, text: str = "", status: str = "", environment: str = "", team: str = "", is_unowned: bool = False
) -> QuerySet[Agent]:
    """Return the organization's agents by name, narrowed by what is given."""
    found = Agent.objects.select_related("owner_person__user", "current_version").order_by("name", "slug")
    if text:
        found = found.filter(Q(name__icontains=text) | Q(slug__icontains=text) | Q(purpose__icontains=text))
    if status:
        found = found.filter(status=status)
    if environment:
        found = found.filter(environment=environment)
    if team:
        found = found.filter(owner_team__iexact=team)
    if is_unowned:
        found = found.filter(owner_team="", owner_person=None)
    return found


def agent_by_slug(slug: str) -> Agent:
    """Return one agent; raises Missing."""
    found = (
        Agent.objects.select_related("organization", "owner_person__user", "current_version").filter(slug=slug).first()
    )
    if found is None:
        raise Missing("No such agent.", code="agent_missing")
    return found


def registered_slugs() -> set[str]:
    """Return the ids of all registered agents (to tell them from those only seen in telemetry)."""
    return set(Agent.objects.values_list("slug", flat=True))


def versions(agent: Agent) -> QuerySet[AgentVersion]:
    """Return an agent's versions, newest first."""
    return agent.versions.order_by("-number")


def version_by_label(agent: Agent, label: str) -> AgentVersion:
    """Return one version; raises Missing."""
    found = agent.versions.filter(label=label).first()
    if found is None:
        raise Missing(f"{agent.slug} has no version {label}.", code="version_missing")
    return found


def design_of(version: AgentVersion) -> Document:
    """Return the document of a version."""
    return parse_data(version.document).document


def comparison(agent: Agent, old_label: str, new_label: str) -> Comparison:
    """Compare two versions; raises Missing."""
    old, new = version_by_label(agent, old_label), version_by_label(agent, new_label)
    before, after = design_of(old), design_of(new)
    return Comparison(old, new, changes(before, after), lines(render_yaml(before), render_yaml(after)))


def prompts(agent: Agent) -> QuerySet[Prompt]:
    """Return an agent's prompts by name."""
    return agent.prompts.select_related("current_version").order_by("name")


def prompt_by_slug(agent: Agent, slug: str) -> Prompt:
    """Return one prompt; raises Missing."""
    found = agent.prompts.select_related("agent", "current_version").filter(slug=slug).first()
    if found is None:
        raise Missing("No such prompt.", code="prompt_missing")
    return found


def prompt_versions(prompt: Prompt) -> QuerySet[PromptVersion]:
    """Return a prompt's texts, newest first."""
    return prompt.versions.order_by("-number")


def prompt_version(prompt: Prompt, number: int) -> PromptVersion:
    """Return one text; raises Missing."""
    found = prompt.versions.filter(number=number).first()
    if found is None:
        raise Missing(f"{prompt.name} has no version {number}.", code="version_missing")
    return found


def prompt_comparison(prompt: Prompt, old_number: int, new_number: int) -> PromptComparison:
    """Compare two texts; raises Missing."""
    old, new = prompt_version(prompt, old_number), prompt_version(prompt, new_number)
    return PromptComparison(old, new, lines(old.text, new.text))


def possible_owners() -> QuerySet[Membership]:
    """Return the members who can answer for an agent."""
    return Membership.objects.select_related("user").order_by("user__name", "user__email")

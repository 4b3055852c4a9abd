"""Change an agent's status and owner."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.pages import page
from apps.registry import selectors
from apps.registry.forms.agents import OwnerForm, StatusForm
from apps.registry.forms.attempt import attempt
from apps.registry.models import Agent
from apps.registry.services import agents as services


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def agent_status(request: PageRequest, slug: str) -> HttpResponse:
    """Move an agent to another status."""
    agent = selectors.agent_by_slug(slug)
    form = StatusForm(request.POST or None, agent=agent)
    if form.is_valid() and (changed := attempt(form, lambda: _change_status(request, slug, form.cleaned_data))):
        messages.success(request, f"{changed.name} is now {changed.get_status_display().lower()}.")
        return redirect("registry:design_page", request.organization.slug, slug)
    context = {"agent": agent, "form": form, "tab": "design"}
    return page(request, "registry/agent_status.html", context, status=422 if form.errors else 200)


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def agent_owner(request: PageRequest, slug: str) -> HttpResponse:
    """Say which team and person answer for an agent."""
    agent = selectors.agent_by_slug(slug)
    form = OwnerForm(request.POST or None, agent=agent, people=list(selectors.possible_owners()))
    if form.is_valid() and (changed := attempt(form, lambda: _assign(request, slug, form.cleaned_data))):
        messages.success(request, f"The owner of {changed.name} is saved.")
        return redirect("registry:design_page", request.organization.slug, slug)
    context = {"agent": agent, "form": form, "tab": "design"}
    return page(request, "registry/agent_owner.html", context, status=422 if form.errors else 200)


def _change_status(request: PageRequest, slug: str, sent: dict[str, Any]) -> Agent:
    return services.change_agent_status(
        actor=actor_of(request),
        slug=slug,
        status=sent["status"],
        reason=sent["reason"],
        if_match=sent["etag"] or None,
    )


def _assign(request: PageRequest, slug: str, sent: dict[str, Any]) -> Agent:
    return services.assign_owner(
        actor=actor_of(request),
        slug=slug,
        team=sent["team"],
        person_id=sent["person"],
        if_match=sent["etag"] or None,
    )

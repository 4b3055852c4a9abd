"""The versions of a design: list, compare, restore."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.pages import page
from apps.registry import selectors
from apps.registry.services import agents as services


@requires("agents.view")
@require_GET
def version_list(request: PageRequest, slug: str) -> HttpResponse:
    """List an agent's versions, newest first; two of them can be compared."""
    agent = selectors.agent_by_slug(slug)
    context = {"agent": agent, "versions": list(selectors.versions(agent)), "tab": "versions"}
    return page(request, "registry/version_list.html", context)


@requires("agents.view")
@require_GET
def version_compare(request: PageRequest, slug: str) -> HttpResponse:
    """Show what changed between two versions (`?from=1.0.0&to=1.1.0`)."""
    agent = selectors.agent_by_slug(slug)
    known = list(selectors.versions(agent))
    new = request.GET.get("to") or known[0].label
    old = request.GET.get("from") or known[min(1, len(known) - 1)].label
    comparison = selectors.comparison(agent, old, new)
    context = {"agent": agent, "versions": known, "comparison": comparison, "tab": "versions"}
    return page(request, "registry/version_compare.html", context, part="comparison")


@requires("agents.edit")
@require_POST
def version_restore(request: PageRequest, slug: str, label: str) -> HttpResponse:
    """Make an earlier design current again, as a new version."""
    _, version = services.restore_version(
        actor=actor_of(request), slug=slug, label=label, if_match=request.POST.get("etag") or None
    )
    messages.success(request, f"Version {label} is current again, as {version}.")
    return redirect("registry:version_list", request.organization.slug, slug)

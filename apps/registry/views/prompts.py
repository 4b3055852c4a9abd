"""The prompts of an agent: list, register, revise, compare, restore."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.pages import page
from apps.registry import selectors
from apps.registry.forms.agents import PromptForm
from apps.registry.forms.attempt import attempt
from apps.registry.models import Agent, Prompt, PromptVersion
from apps.registry.services import prompts as services


@requires("agents.view")
@require_GET
def prompt_list(request: PageRequest, slug: str) -> HttpResponse:
    """List the prompts of an agent."""
    agent = selectors.agent_by_slug(slug)
    context = {"agent": agent, "prompts": list(selectors.prompts(agent)), "tab": "prompts"}
    return page(request, "registry/prompt_list.html", context)


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def prompt_register(request: PageRequest, slug: str) -> HttpResponse:
    """Register a prompt with its first text."""
    agent = selectors.agent_by_slug(slug)
    form = PromptForm(request.POST or None)
    if form.is_valid() and (prompt := attempt(form, lambda: _register(request, agent, form.cleaned_data))):
        messages.success(request, f"{prompt.name} is saved, version 1.")
        return _to_prompt(request, slug, prompt.slug)
    context = {"agent": agent, "form": form, "tab": "prompts"}
    return page(request, "registry/prompt_edit.html", context, status=422 if form.errors else 200)


@requires("agents.view")
@require_GET
def prompt_page(request: PageRequest, slug: str, prompt: str) -> HttpResponse:
    """Show a prompt, its versions, and what changed between two (`?from=1&to=2`)."""
    agent = selectors.agent_by_slug(slug)
    found = selectors.prompt_by_slug(agent, prompt)
    known = list(selectors.prompt_versions(found))
    new = _number(request.GET.get("to"), known[0].number)
    old = _number(request.GET.get("from"), max(1, new - 1))
    context: dict[str, Any] = {
        "agent": agent,
        "prompt": found,
        "versions": known,
        "shown": selectors.prompt_version(found, new),
        "comparison": selectors.prompt_comparison(found, old, new) if old != new else None,
        "tab": "prompts",
    }
    return page(request, "registry/prompt_page.html", context)


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def prompt_edit(request: PageRequest, slug: str, prompt: str) -> HttpResponse:
    """Give a prompt a new text, as a new version."""
    agent = selectors.agent_by_slug(slug)
    found = selectors.prompt_by_slug(agent, prompt)
    text = found.current_version.text if found.current_version else ""
    initial = {"name": found.name, "text": text, "etag": found.etag}
    form = PromptForm(request.POST or None, is_new=False, initial=initial)
    if form.is_valid() and (saved := attempt(form, lambda: _revise(request, agent, prompt, form.cleaned_data))):
        _, version = saved
        messages.success(request, f"Version {version.number} is saved." if version else "Nothing changed.")
        return _to_prompt(request, slug, prompt)
    context = {"agent": agent, "prompt": found, "form": form, "tab": "prompts"}
    return page(request, "registry/prompt_edit.html", context, status=422 if form.errors else 200)


@requires("agents.edit")
@require_POST
def prompt_restore(request: PageRequest, slug: str, prompt: str, number: int) -> HttpResponse:
    """Make an earlier text current again, as a new version."""
    agent = selectors.agent_by_slug(slug)
    _, version = services.restore_prompt(actor=actor_of(request), agent=agent, slug=prompt, number=number)
    messages.success(request, f"Version {number} is current again, as {version.number}.")
    return _to_prompt(request, slug, prompt)


def _register(request: PageRequest, agent: Agent, sent: dict[str, Any]) -> Prompt:
    return services.register_prompt(
        actor=actor_of(request), agent=agent, name=sent["name"], text=sent["text"], note=sent["note"]
    )


def _revise(
    request: PageRequest, agent: Agent, prompt: str, sent: dict[str, Any]
) -> tuple[Prompt, PromptVersion | None]:
    return services.revise_prompt(
        actor=actor_of(request),
        agent=agent,
        slug=prompt,
        text=sent["text"],
        note=sent["note"],
        if_match=sent["etag"] or None,
    )


def _to_prompt(request: PageRequest, slug: str, prompt: str) -> HttpResponse:
    return redirect("registry:prompt_page", request.organization.slug, slug, prompt)


def _number(text: str | None, otherwise: int) -> int:
    return int(text[:9]) if text and text.isascii() and text.isdigit() else otherwise

"""Register an agent; read, edit and download its design."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.errors import Missing, Stale
from apps.core.pages import page
from apps.registry import selectors
from apps.registry.forms.agents import OwnerForm, StatusForm, YamlForm
from apps.registry.forms.attempt import attempt
from apps.registry.forms.designs import DesignForm
from apps.registry.models import Agent, AgentVersion
from apps.registry.rules.difference import lines
from apps.registry.rules.document import PATTERNS, Document, Owner, gaps
from apps.registry.rules.names import is_slug
from apps.registry.rules.reading import SHAPES
from apps.registry.rules.writing import render_yaml
from apps.registry.services import agents as services

EXAMPLE = Document(name="", slug="")


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def agent_register(request: PageRequest) -> HttpResponse:
    """Register an agent by form or YAML; `?slug=` fills in an agent that was seen in telemetry."""
    slug = request.GET.get("slug", "")
    base = Document(name=slug, slug=slug) if is_slug(slug) else EXAMPLE
    form: Any
    if request.GET.get("by") == "yaml":
        text = render_yaml(
            Document(name=base.slug or "my-agent", slug=base.slug or "my-agent", version="0.1.0"), "agent"
        )
        form = YamlForm(request.POST or None, request.FILES or None, initial={"yaml": text})
    else:
        form = _design_form(request, base, is_new=True, initial={"environment": request.GET.get("environment", "")})
    if request.method == "POST" and form.is_valid():
        agent = attempt(form, lambda: _register(request, form))
        if agent is not None:
            messages.success(request, f"{agent.name} is registered, version {agent.current_version}.")
            return redirect("registry:design_page", request.organization.slug, agent.slug)
    context = {"form": form, "slug": slug, "by": request.GET.get("by", "form")}
    return page(request, "registry/agent_register.html", context, status=422 if form.errors else 200)


@requires("agents.edit")
@require_POST
def agent_adopt(request: PageRequest, slug: str) -> HttpResponse:
    """Register an agent that was seen in telemetry, with nothing but its id."""
    environment = request.POST.get("environment") or None
    agent = services.register_agent(
        actor=actor_of(request), document=Document(name=slug, slug=slug), environment=environment
    )
    messages.success(request, f"{agent.name} is registered. Say who owns it and what it is for.")
    return redirect("registry:design_page", request.organization.slug, agent.slug)


@requires("agents.view")
@require_GET
def design_page(request: PageRequest, slug: str) -> HttpResponse:
    """Show the current design."""
    agent = selectors.agent_by_slug(slug)
    if agent.current_version is None:
        raise Missing("This agent has no design.", code="version_missing")
    return page(request, "registry/design_page.html", _design_context(agent, agent.current_version))


@requires("agents.view")
@require_GET
def version_page(request: PageRequest, slug: str, label: str) -> HttpResponse:
    """Show an earlier design."""
    agent = selectors.agent_by_slug(slug)
    version = selectors.version_by_label(agent, label)
    return page(request, "registry/design_page.html", _design_context(agent, version))


@requires("agents.view")
@require_GET
def design_download(request: PageRequest, slug: str, label: str) -> HttpResponse:
    """Send a version as YAML: in one of the two shapes, or as it was sent."""
    version = selectors.version_by_label(selectors.agent_by_slug(slug), label)
    shape = request.GET.get("shape", "agent_design")
    if shape == "sent" and version.source:
        text = version.source
    else:
        text = render_yaml(selectors.design_of(version), shape if shape in SHAPES else "agent_design")
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}-{version.label}.yaml"'
    return response


@requires("agents.edit")
@require_http_methods(["GET", "POST"])
def design_edit(request: PageRequest, slug: str) -> HttpResponse:
    """Edit the design by form or YAML; a saved change is a new version."""
    agent = selectors.agent_by_slug(slug)
    form = _edit_form(request, agent)
    context: dict[str, Any] = {"form": form, "agent": agent, "tab": "design", "by": request.GET.get("by", "form")}
    if request.method == "POST" and form.is_valid():
        if request.POST.get("action") == "check":
            context |= _preview(agent, _document(form, agent))
        elif (done := _revise(request, agent, form, context)) is not None:
            return done
    status = context.get("status", 422 if form.errors else 200)
    return page(request, "registry/design_edit.html", context, status=status)


def _edit_form(request: PageRequest, agent: Agent) -> Any:
    base = _live(agent)
    if request.GET.get("by") != "yaml":
        initial = {"environment": agent.environment, "criticality": agent.criticality, "etag": agent.etag}
        return _design_form(request, base, is_new=False, initial=initial)
    shape = request.GET.get("shape", "agent_design")
    text = render_yaml(replace(base, version=None), shape if shape in SHAPES else "agent_design")
    return YamlForm(request.POST or None, request.FILES or None, initial={"yaml": text, "etag": agent.etag})


def _revise(request: PageRequest, agent: Agent, form: Any, context: dict[str, Any]) -> HttpResponse | None:
    try:
        saved = attempt(form, lambda: _save(request, agent, form), tells_stale=False)
    except Stale:
        # Both states are shown; saving again is made against the current one.
        current = selectors.agent_by_slug(agent.slug)
        context |= _preview(current, _document(form, current)) | {"is_stale": True, "agent": current, "status": 409}
        context["etag"] = current.etag
        return None
    if saved is None:
        return None
    _, version = saved
    text = f"Version {version} is saved." if version else "Nothing changed, so there is no new version."
    messages.success(request, text)
    return redirect("registry:design_page", request.organization.slug, agent.slug)


def _save(request: PageRequest, agent: Agent, form: Any) -> tuple[Agent, AgentVersion | None]:
    sent = form.cleaned_data
    beside = form.submission.beside if hasattr(form, "submission") else sent
    return services.revise_design(
        actor=actor_of(request),
        slug=agent.slug,
        document=_document(form, agent),
        environment=beside.get("environment") or None,
        criticality=beside.get("criticality") or None,
        note=sent.get("note") or beside.get("note") or "",
        source=form.text if isinstance(form, YamlForm) else "",
        if_match=sent.get("etag") or None,
    )


def _register(request: PageRequest, form: Any) -> Agent:
    sent = form.cleaned_data
    is_yaml = isinstance(form, YamlForm)
    beside = form.submission.beside if is_yaml else sent
    return services.register_agent(
        actor=actor_of(request),
        document=form.submission.document if is_yaml else form.document,
        environment=beside.get("environment") or None,
        criticality=beside.get("criticality") or None,
        note=sent.get("note") or beside.get("note") or "",
        source=form.text if is_yaml else "",
    )


def _document(form: Any, agent: Agent) -> Document:
    if not isinstance(form, YamlForm):
        return form.document
    submission = form.submission
    assert submission is not None
    return submission.document if submission.has_id else replace(submission.document, slug=agent.slug)


def _live(agent: Agent) -> Document:
    """Return the current design with the owner as it is now."""
    if agent.current_version is None:
        raise Missing("This agent has no design.", code="version_missing")
    document = selectors.design_of(agent.current_version)
    person = agent.owner_person.user.email if agent.owner_person else None
    return replace(document, owner=replace(document.owner, team=agent.owner_team or None, person=person))


def _design_form(request: PageRequest, base: Document, *, is_new: bool, initial: dict[str, Any]) -> Form:
    initial = {"environment": "production", "criticality": "medium"} | {
        key: value for key, value in initial.items() if value
    }
    people = list(selectors.possible_owners())
    return DesignForm(request.POST or None, base=base, people=people, is_new=is_new, initial=initial)


def _preview(agent: Agent, document: Document) -> dict[str, Any]:
    before = _live(agent)
    after = replace(document, version=None)
    found = services.changes(before, document)
    label = agent.current_version.label if agent.current_version else None
    return {
        "changes": found,
        "lines": lines(render_yaml(replace(before, version=None)), render_yaml(after)),
        "proposed": document.version or services.proposed_version(label, found),
        "is_checked": True,
    }


def _design_context(agent: Agent, version: AgentVersion) -> dict[str, Any]:
    document = selectors.design_of(version)
    is_current = version.pk == agent.current_version_id
    owner = Owner(agent.owner_team or None, str(agent.owner_person.user) if agent.owner_person else None)
    return {
        "agent": agent,
        "version": version,
        "design": document,
        "pattern": PATTERNS.get(document.architecture.pattern or ""),
        "is_current": is_current,
        "gaps": gaps(replace(document, owner=owner)) if is_current else [],
        "yaml": render_yaml(document),
        "tab": "design",
        "status_form": StatusForm(agent=agent),
        "owner_form": OwnerForm(agent=agent, people=list(selectors.possible_owners())),
    }

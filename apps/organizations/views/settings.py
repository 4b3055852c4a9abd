"""An organization's settings: itself, its people, its keys."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.core.errors import DomainError
from apps.core.pages import page
from apps.organizations import selectors, services
from apps.organizations.doors import PageRequest, actor_of, require, requires
from apps.organizations.forms import InvitationForm, KeyForm, OrganizationSettingsForm, RoleForm
from apps.organizations.rules import ROLES, SCOPES


@require_http_methods(["GET", "POST"])
@requires("organization.view")
def organization(request: PageRequest) -> HttpResponse:
    """Show and change name and time zone."""
    own = request.organization
    form = OrganizationSettingsForm(request.POST or None, initial={"name": own.name, "time_zone": own.time_zone})
    if request.method == "POST":
        require(request, "organization.edit")
        if form.is_valid():
            services.edit_organization(actor=actor_of(request), organization=own, **form.cleaned_data)
            messages.success(request, "The organization is saved.")
            return redirect("organizations:settings_page", own.slug)
    return page(request, "organizations/settings_page.html", {"form": form}, status=422 if form.errors else 200)


def _people(request: PageRequest, form: InvitationForm, *, link: str = "", status: int = 200) -> HttpResponse:
    context = {
        "members": selectors.members(),
        "invitations": selectors.open_invitations(),
        "form": form,
        "roles": ROLES,
        "link": link,
    }
    return page(request, "organizations/people_page.html", context, status=status)


@require_GET
@requires("people.view")
def people(request: PageRequest) -> HttpResponse:
    """Show members and open invitations."""
    return _people(request, InvitationForm())


@require_POST
@requires("people.edit")
def invite(request: PageRequest) -> HttpResponse:
    """Invite somebody; the link is shown once, and mailed."""
    form = InvitationForm(request.POST)
    if form.is_valid():
        try:
            token = services.invite_person(
                actor=actor_of(request), inviter=request.user, organization=request.organization, **form.cleaned_data
            )
        except DomainError as error:
            form.add_error(error.field, error.message)
        else:
            return _people(request, InvitationForm(), link=f"{settings.PUBLIC_URL}/invitations/{token}/")
    return _people(request, form, status=422)


@require_POST
@requires("people.edit")
def revoke_invitation(request: PageRequest, invitation_id: UUID) -> HttpResponse:
    """Withdraw an invitation."""
    services.revoke_invitation(actor=actor_of(request), invitation_id=invitation_id)
    messages.success(request, "The invitation is withdrawn.")
    return redirect("organizations:people_page", request.organization.slug)


@require_POST
@requires("people.edit")
def change_role(request: PageRequest, membership_id: UUID) -> HttpResponse:
    """Give a member another role."""
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise DomainError(f"Choose one of: {', '.join(ROLES.values())}.", code="role_unknown", field="role")
    services.change_role(
        actor=actor_of(request), membership_id=membership_id, by_owner=request.role == "owner", **form.cleaned_data
    )
    messages.success(request, "The role is changed.")
    return redirect("organizations:people_page", request.organization.slug)


@require_POST
@requires("people.edit")
def remove_member(request: PageRequest, membership_id: UUID) -> HttpResponse:
    """End a membership."""
    services.remove_member(actor=actor_of(request), membership_id=membership_id, by_owner=request.role == "owner")
    messages.success(request, "The membership is ended.")
    return redirect("organizations:people_page", request.organization.slug)


def _keys(request: PageRequest, form: KeyForm, *, fresh: str = "", status: int = 200) -> HttpResponse:
    context = {"keys": selectors.api_keys(), "form": form, "scopes": SCOPES, "fresh": fresh}
    return page(request, "organizations/key_list.html", context, status=status)


@require_GET
@requires("keys.view")
def keys(request: PageRequest) -> HttpResponse:
    """Show the keys: prefix, scopes, use; never the key."""
    return _keys(request, KeyForm())


@require_POST
@requires("keys.edit")
def create_key(request: PageRequest) -> HttpResponse:
    """Create a key and show it this once."""
    form = KeyForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            _, fresh = services.create_key(
                actor=actor_of(request),
                creator=request.user,
                name=data["name"],
                scopes=data["scopes"],
                agent_slug=data["agent_slug"],
                expires_at=form.expires_at(),
            )
        except DomainError as error:
            form.add_error(error.field, error.message)
        else:
            return _keys(request, KeyForm(), fresh=fresh)
    return _keys(request, form, status=422)


@require_POST
@requires("keys.edit")
def revoke_key(request: PageRequest, key_id: UUID) -> HttpResponse:
    """Refuse a key from now on."""
    services.revoke_key(actor=actor_of(request), key_id=key_id)
    messages.success(request, "The key is revoked.")
    return redirect("organizations:key_list", request.organization.slug)


@require_http_methods(["GET", "POST"])
@requires("organization.view")
def first_steps(request: PageRequest) -> HttpResponse:
    """From nothing to the first trace: a key, a snippet, and a page that notices the first span."""
    fresh = ""
    if request.method == "POST":
        require(request, "keys.edit")
        _, fresh = services.create_key(
            actor=actor_of(request), creator=request.user, name="First steps", scopes=["ingest", "read", "write"]
        )
    context = {
        "fresh": fresh,
        "has_key": selectors.api_keys().filter(revoked_at=None).exists(),
        "url": settings.PUBLIC_URL,
    }
    return page(request, "organizations/first_steps.html", context)

"""Pages of a person: choosing, creating and joining organizations, and their own profile."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods

from apps.core.errors import DomainError
from apps.core.pages import page
from apps.organizations import selectors, services
from apps.organizations.doors import PageRequest, open_to_people
from apps.organizations.forms import OrganizationForm, ProfileForm
from apps.organizations.rules import ROLES


@require_GET
@open_to_people
@login_required
def start(request: PageRequest) -> HttpResponse:
    """Go where the person belongs: their only organization, the choice, or the first steps."""
    memberships = list(selectors.memberships_of(request.user)[:2])
    if not memberships:
        return redirect("organizations:create")
    if len(memberships) == 1:
        return redirect(memberships[0].organization.get_absolute_url())
    return redirect("organizations:choose")


@require_GET
@open_to_people
@login_required
def choose(request: PageRequest) -> HttpResponse:
    """Show the person's organizations."""
    return page(
        request,
        "organizations/organization_choose.html",
        {"memberships": list(selectors.memberships_of(request.user)), "roles": ROLES},
    )


@require_http_methods(["GET", "POST"])
@open_to_people
@login_required
def create(request: PageRequest) -> HttpResponse:
    """Create an organization and go to its first steps."""
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            organization = services.create_organization(
                actor=services.person(request.user), user=request.user, **form.cleaned_data
            )
        except DomainError as error:
            form.add_error(error.field, error.message)
        else:
            return redirect("organizations:first_steps", organization.slug)
    status = 422 if form.errors else 200
    return page(request, "organizations/organization_create.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@open_to_people
@login_required
def invitation(request: PageRequest, token: str) -> HttpResponse:
    """Show what is offered, and accept it."""
    if request.method == "POST":
        organization = services.accept_invitation(user=request.user, token=token)
        messages.success(request, f"You are a member of {organization.name} now.")
        return redirect(organization.get_absolute_url())
    found = selectors.find_invitation(token)
    return page(
        request,
        "organizations/invitation_page.html",
        {"invitation": found, "role": ROLES[found.role] if found else ""},
        status=200 if found else 404,
    )


@require_http_methods(["GET", "POST"])
@open_to_people
@login_required
def profile(request: PageRequest) -> HttpResponse:
    """Change one's own name and time zone."""
    user = request.user
    form = ProfileForm(request.POST or None, initial={"name": user.name, "time_zone": user.time_zone})
    if request.method == "POST" and form.is_valid():
        services.edit_profile(user=user, **form.cleaned_data)
        messages.success(request, "Your profile is saved.")
        return redirect("organizations:profile")
    return page(request, "organizations/profile_page.html", {"form": form}, status=422 if form.errors else 200)

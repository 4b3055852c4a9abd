"""Guards of pages. Which role has which permission is the organizations app's affair: the middleware hands it down.

`request.may(permission)` and `request.who_may(permission)` are set by apps.organizations.middleware.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.actors import Actor
from apps.core.errors import NotAllowed


class PageRequest(HttpRequest):
    """A request as the views behind the middleware see it."""

    organization: Any
    membership: Any
    role: str
    user: Any
    may: Callable[[str], bool]
    who_may: Callable[[str], list[str]]


View = Callable[..., HttpResponseBase]


def requires(permission: str) -> Callable[[View], View]:
    """Guard a page: the visitor's role must include `permission`.

    Raises NotAllowed naming the roles that have it. tests/house/test_urls.py checks that every page has a guard.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, organization: str, *args, **kwargs) -> HttpResponseBase:
            require(request, permission)
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def require(request: PageRequest, permission: str) -> None:
    """Raise NotAllowed unless the visitor's role includes `permission` (where more may look than may change)."""
    if not request.may(permission):
        who = ", ".join(request.who_may(permission))
        raise NotAllowed(f"This needs one of these roles: {who}.", code="role_missing")


def open_to_people(view: View) -> View:
    """Mark a page outside any organization (sign-in, onboarding, health) as open on purpose."""
    view.permission = None  # type: ignore[attr-defined]
    return view


def actor_of(request: HttpRequest) -> Actor:
    """Return who stands behind a request: the API key, or the signed-in person."""
    credential = getattr(request, "credential", None)
    if credential is not None:
        return credential.actor
    user = request.user
    return Actor("person", str(user.pk), str(user))

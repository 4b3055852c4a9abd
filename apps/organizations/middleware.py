"""The edge: resolve the organization once, from the address or from the API key, and enter its scope."""

from collections.abc import Callable
from functools import partial

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse

from apps.core.errors import DomainError
from apps.core.middleware import answer
from apps.core.tenancy import everyone, scope
from apps.organizations.doors import authenticate_key
from apps.organizations.models import Membership
from apps.organizations.rules import may, roles_with

# Doors that authenticate for themselves: the hot paths open no transaction before they need one, and OTLP answers
# errors in a form of its own.
SELF_GUARDED = ("/api/v1/events", "/api/public/", "/api/schema", "/api/docs")
# People's own pages: sign-in, e-mail addresses, second factors, choosing an organization.
PERSONAL = ("/accounts/", "/welcome/", "/invitations/")


class OrganizationMiddleware:
    """Give the request its organization, membership or credential; another organization's address is a 404."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request inside the scope that its address asks for."""
        request.organization = request.membership = request.role = request.credential = None  # type: ignore[attr-defined]
        path = request.path_info
        if path.startswith("/o/"):
            return self._visit(request, path.split("/", 3)[2])
        if path.startswith(PERSONAL) or path == "/":
            with (
                transaction.atomic(),
                everyone(reason="people sign in and choose an organization before one is in scope"),
            ):
                return self._finish(request)
        if path.startswith("/api/") and not path.startswith(SELF_GUARDED):
            try:
                credential = authenticate_key(request, scope=_scope_of(request))
            except DomainError as error:
                # Django turns what a middleware raises into a 500 before the layer outside sees it.
                return answer(request, error)
            request.credential = credential  # type: ignore[attr-defined]
            with transaction.atomic(), scope(credential.organization_id):
                return self._finish(request)
        return self.get_response(request)

    def _visit(self, request: HttpRequest, slug: str) -> HttpResponse:
        with everyone(reason="the address names the organization, the membership opens it"):
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            membership = (
                Membership.objects.select_related("organization", "user")
                .filter(organization__slug=slug, user=request.user)
                .first()
            )
        if membership is None:
            raise Http404
        request.membership = membership  # type: ignore[attr-defined]
        request.organization = membership.organization  # type: ignore[attr-defined]
        request.role = membership.role  # type: ignore[attr-defined]
        request.may = partial(may, membership.role)  # type: ignore[attr-defined]
        request.who_may = roles_with  # type: ignore[attr-defined]
        with transaction.atomic(), scope(membership.organization_id):
            return self._finish(request)

    def _finish(self, request: HttpRequest) -> HttpResponse:
        """Answer; a refused or failed request leaves nothing behind (its own transaction is rolled back)."""
        response = self.get_response(request)
        if getattr(request, "is_undone", False) or response.status_code >= 500:
            transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Mark the request: whatever its view wrote before the exception is rolled back."""
        request.is_undone = True  # type: ignore[attr-defined]


def _scope_of(request: HttpRequest) -> str:
    # The view's own permission class asks for more where it needs more; nothing is open to a key without these.
    return "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"

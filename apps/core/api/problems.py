"""Answer every error of an API view as problem+json (RFC 9457) and undo what the view wrote."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from apps.core.errors import DomainError, Missing, NotAllowed, RateLimited, Unauthenticated
from apps.core.middleware import answer


def problem_details(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Return the answer to an exception (DRF's EXCEPTION_HANDLER); None leaves a fault of ours to Django."""
    request = context["request"]._request
    # DRF answers here, so the middleware never sees the exception: it rolls back what is marked.
    request.is_undone = True
    found = domain_error(error)
    if found is None:
        return None
    response = answer(request, found)
    if isinstance(error, exceptions.MethodNotAllowed):
        view = context.get("view")
        response["Allow"] = ", ".join(getattr(view, "allowed_methods", []))
    return response


def domain_error(error: Exception) -> DomainError | None:
    """Return the error in our own terms, None for what is no answer to a client."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, Http404):
        return Missing("No such object.", code="missing")
    if isinstance(error, PermissionDenied | exceptions.PermissionDenied):
        return NotAllowed("This key may not do that.", code="not_allowed")
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return Unauthenticated("Send a valid API key: Authorization: Bearer KEY.", code="key_unknown")
    if isinstance(error, exceptions.Throttled):
        return RateLimited("Too many requests; slow down.", retry_after=int(getattr(error, "wait", None) or 1))
    if isinstance(error, exceptions.ValidationError):
        return DomainError(
            "Some values cannot be accepted.", code="invalid", extra={"errors": _errors(error.detail, "")}
        )
    if isinstance(error, exceptions.APIException):
        return DomainError(str(error.detail), code=error.default_code, status=error.status_code)
    return None


def _errors(detail: Any, path: str) -> list[dict[str, str]]:
    if isinstance(detail, dict):
        return [found for key, value in detail.items() for found in _errors(value, f"{path}.{key}".lstrip("."))]
    if isinstance(detail, list):
        return [
            found
            for index, value in enumerate(detail)
            for found in _errors(value, f"{path}[{index}]" if isinstance(value, dict | list) else path)
        ]
    return [{"field": path, "message": str(detail), "code": getattr(detail, "code", "invalid")}]

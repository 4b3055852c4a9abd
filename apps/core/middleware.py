"""The outermost and innermost layers of every request: its id, and the answer to errors."""

from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from apps.core.errors import DomainError, RateLimited, Unavailable
from apps.core.ids import uuid7
from apps.core.views import healthz, readyz

request_id: ContextVar[str] = ContextVar("request_id", default="")

API_PREFIXES = ("/api/", "/v1/", "/v3/", "/access/", "/metrics", "/.well-known/")


def is_api(request: HttpRequest) -> bool:
    """Tell whether the visitor of this path is a program, to be answered in JSON."""
    return request.path_info.startswith(API_PREFIXES)


class RequestMiddleware:
    """Give every request an id (the client's X-Request-ID if it sent a usable one) and echo it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request under its id."""
        sent = request.headers.get("X-Request-ID", "")
        value = sent if sent and len(sent) <= 128 and sent.isprintable() and sent.isascii() else uuid7().hex
        token = request_id.set(value)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = value
        return response


class HealthMiddleware:
    """Answer health probes first: they come by address, without the public name and without TLS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on whatever is no probe."""
        probe = {"/healthz": healthz, "/readyz": readyz}.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class ErrorMiddleware:
    """Turn a DomainError into problem+json for programs and into a page for people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; also answers a DomainError raised by the layers below the views."""
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return answer(request, DomainError("An address cannot hold NUL.", code="bad_request", status=400))
        try:
            response = self.get_response(request)
        except DomainError as error:
            return answer(request, error)
        if response.status_code >= 400 and is_api(request) and response.get("Content-Type", "").startswith("text/html"):
            return _as_problem(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a DomainError that a view raised; anything else is Django's."""
        return answer(request, exception) if isinstance(exception, DomainError) else None


def _as_problem(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    """Return Django's own error page (an unknown address, a wrong method, a fault) as a program reads it."""
    code, message = _FRAMEWORK_ERRORS.get(page.status_code, ("refused", "The request was refused."))
    response = answer(request, DomainError(message, code=code, status=page.status_code))
    if "Allow" in page:
        response["Allow"] = page["Allow"]
    return response


_FRAMEWORK_ERRORS = {
    400: ("bad_request", "The request cannot be read."),
    404: ("missing", "Nothing answers at this address."),
    405: ("method_not_allowed", "This address does not answer that method."),
    500: ("internal_error", "Something failed on our side; the request id finds it in the log."),
}


def answer(request: HttpRequest, error: DomainError) -> HttpResponse:
    """Return the error in the form that the visitor reads."""
    if is_api(request):
        body = {**error.problem(), "instance": request.path_info}
        response: HttpResponse = JsonResponse(body, status=error.status, content_type="application/problem+json")
    else:
        template = "errors/problem.html"
        if htmx := getattr(request, "htmx", None):
            template = template if htmx.boosted else "errors/problem.html#body"
        response = render(request, template, {"error": error}, status=error.status)
    if isinstance(error, RateLimited | Unavailable):
        response["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="agentops"'
    return response

"""The OpenAPI document: DRF's views by themselves, plain views by the description that stands beside them."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator

from apps.core.errors import DomainError

_DESCRIBED: dict[tuple[str, str], dict[str, Any]] = {}

PROBLEM = {
    "description": "Problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong and what is allowed."},
        "code": {"type": "string", "description": "Stable and machine-readable."},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "field": {"type": "string", "description": "Path of the value, for example `tools[0].name`."},
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}


def describe(method: str, path: str, **operation: Any) -> Callable:
    """Put a plain view into the OpenAPI document: decorate it with its method, path and OpenAPI operation.

    `responses` maps status codes to response objects; errors (4xx) are added. `scope` names what the key needs.
    """
    scope = operation.pop("scope", None)
    note = f"Needs a key with the scope `{scope}`." if scope else ""
    operation["description"] = " ".join(filter(None, [operation.get("description", ""), note]))
    operation.setdefault("operationId", f"{method.lower()}_{path.strip('/').replace('/', '_')}".replace("-", "_"))
    operation.setdefault("security", [{"apiKey": []}])
    operation.setdefault("responses", {"200": {"description": "Done"}})

    def decorate(view: Callable) -> Callable:
        _DESCRIBED[path, method.lower()] = operation
        return view

    return decorate


def any_body(*media_types: str) -> dict[str, Any]:
    """Return an OpenAPI request body of formats that are specified elsewhere."""
    return {"required": True, "content": {media_type: {"schema": {}} for media_type in media_types}}


def add_described(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the described views and the common error answer (a drf-spectacular postprocessing hook)."""
    for (path, method), operation in sorted(_DESCRIBED.items()):
        result["paths"].setdefault(path, {})[method] = dict(operation)
    for methods in result["paths"].values():
        for operation in methods.values():
            operation.setdefault("summary", _first_sentence(operation.get("description", "")))
            responses = {str(code): response for code, response in operation["responses"].items()}
            operation["responses"] = {**responses, "default": responses.get("default", PROBLEM)}
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components.setdefault("securitySchemes", {})["apiKey"] = _SECURITY
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _first_sentence(text: str) -> str:
    return text.split("\n")[0].partition(". ")[0].removesuffix(".")


_SECURITY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key of the organization: `Authorization: Bearer KEY`, `x-api-key: KEY`, or Basic.",
}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Tells drf-spectacular how our keys are sent."""

    target_class = "apps.organizations.doors.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema) -> dict[str, Any]:
        """Return the OpenAPI security scheme."""
        return _SECURITY


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of this installation's version (the same for everybody)."""
    # Views describe themselves when they are imported.
    _ = get_resolver().url_patterns
    return SchemaGenerator().get_schema(request=None, public=True)


def schema(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document."""
    if request.method not in ("GET", "HEAD"):
        raise DomainError("Only GET is answered here.", code="method_not_allowed", status=405)
    text = json.dumps(document(), ensure_ascii=False, sort_keys=False, default=str)
    return HttpResponse(text, content_type="application/vnd.oai.openapi+json; charset=utf-8")


schema.permission = None  # type: ignore[attr-defined]

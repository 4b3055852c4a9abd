"""The API's reference as a page, made from the OpenAPI document: no script, nothing from elsewhere."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core.api.schema import document
from apps.core.doors import open_to_people

_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True)
class Body:
    """A request or answer in one format."""

    media_type: str
    schema: str
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What a status code means."""

    status: str
    description: str
    bodies: list[Body]


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    bodies: list[Body]
    answers: list[Answer]


@dataclass(frozen=True)
class Group:
    """The operations of one tag."""

    name: str
    operations: list[Operation]

    @property
    def id(self) -> str:
        """Return the anchor."""
        return "group-" + re.sub(r"\W+", "-", self.name.lower())


def reference(api: dict[str, Any]) -> list[Group]:
    """Return the operations of an OpenAPI document by tag."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["Other"])[0]
            groups.setdefault(tag[:1].upper() + tag[1:], []).append(_operation(path, method, operation))
    return [Group(name, operations) for name, operations in sorted(groups.items())]


def schemas(api: dict[str, Any]) -> list[Body]:
    """Return the named schemas."""
    return [
        Body(name, json.dumps(schema, indent=2, ensure_ascii=False), _names(schema))
        for name, schema in sorted(api.get("components", {}).get("schemas", {}).items())
    ]


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=[
            {**parameter, "is_required": parameter.get("required", False)}
            for parameter in operation.get("parameters", [])
        ],
        bodies=_bodies(operation.get("requestBody", {})),
        answers=[
            Answer(str(status), answer.get("description", ""), _bodies(answer))
            for status, answer in operation["responses"].items()
        ],
    )


def _bodies(holder: dict[str, Any]) -> list[Body]:
    return [
        Body(media_type, json.dumps(content.get("schema", {}), indent=2, ensure_ascii=False), _names(content))
        for media_type, content in holder.get("content", {}).items()
    ]


def _names(schema: Any) -> list[str]:
    """Return the schemas that a schema refers to."""
    found = re.findall(re.escape(_REFERENCE) + r"(\w+)", json.dumps(schema))
    return list(dict.fromkeys(found))


@require_safe
@open_to_people
def docs(request: HttpRequest) -> HttpResponse:
    """Show the API's reference."""
    api = document()
    context = {"info": api["info"], "groups": reference(api), "schemas": schemas(api)}
    return render(request, "core/api_docs.html", context)

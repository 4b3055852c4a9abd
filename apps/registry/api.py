"""The registry over HTTP: agents, their versions and prompts, in JSON or YAML by content type."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.exchange import (
    MAX_BODY_BYTES,
    JsonText,
    TextYamlText,
    XYamlText,
    YamlRenderer,
    YamlText,
    if_match,
    one_of,
    tagged,
    text_body,
)
from apps.core.api.paging import CursorPages
from apps.core.errors import TooLarge
from apps.organizations.doors import actor_of
from apps.registry import selectors
from apps.registry.forms.sent import read_design
from apps.registry.models import Agent, AgentVersion
from apps.registry.rules.json_schema import SUBMISSION
from apps.registry.rules.reading import SHAPES, Submission
from apps.registry.rules.statuses import STATUS_CHOICES, STATUSES
from apps.registry.rules.writing import render_yaml
from apps.registry.services import agents as services
from apps.registry.services.idempotency import answer_once, fingerprint

TAGS = ["Registry"]
BODY = {
    "application/json": SUBMISSION,
    "application/yaml": {**SUBMISSION, "description": "The same as YAML, in either shape."},
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    location="header",
    description="Up to 255 characters. The same request with the same key gets the same answer for 24 hours.",
)
IF_MATCH = OpenApiParameter("If-Match", location="header", description="The ETag that the change was made against.")
SHAPE = OpenApiParameter("shape", enum=list(SHAPES), description="Shape of the YAML answer (Accept: application/yaml).")
YAML_DESIGN = {"type": "object", "description": "The design under agent_design or agent."}


class OwnerOut(serializers.Serializer):
    team = serializers.CharField(allow_null=True)
    person = serializers.EmailField(allow_null=True)


class VersionOut(serializers.Serializer):
    """A version in a list."""

    version = serializers.CharField(source="label")
    number = serializers.IntegerField()
    content_hash = serializers.CharField(help_text="SHA-256 of the design's RFC 8785 canonical JSON.")
    note = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by_name")
    restored_from = serializers.CharField(allow_blank=True)


class VersionDesignOut(VersionOut):
    """A version with its design."""

    design = serializers.JSONField(source="document")


class AgentOut(serializers.Serializer):
    """An agent in a list."""

    slug = serializers.CharField()
    name = serializers.CharField()
    purpose = serializers.CharField()
    owner = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=STATUS_CHOICES)
    status_reason = serializers.CharField()
    environment = serializers.CharField()
    criticality = serializers.CharField()
    version = serializers.CharField(source="current_version.label", allow_null=True)
    content_hash = serializers.CharField(source="current_version.content_hash", allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema(exclude=True)
    def get_owner(self, agent: Agent) -> dict[str, str | None]:
        """Return team and person."""
        person = agent.owner_person
        return {"team": agent.owner_team or None, "person": person.user.email if person else None}


class AgentDesignOut(AgentOut):
    """An agent with its current design."""

    design = serializers.JSONField(source="current_version.document")


class StatusIn(serializers.Serializer):
    """The wanted status; steps that stop an agent or lead back need a reason."""

    status = serializers.ChoiceField(choices=STATUS_CHOICES)
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class DesignBody(APIView):
    """Reads designs in JSON and YAML."""

    parser_classes = (JsonText, YamlText, XYamlText, TextYamlText)

    def submission(self, request: Request) -> tuple[Submission, str]:
        """Return the design that was sent and, for YAML, its text."""
        sent = text_body(request)
        submission = read_design(sent.text, sent.language)
        return submission, sent.text if sent.language == "yaml" else ""


class AgentsView(DesignBody, generics.ListAPIView):
    """The organization's agents."""

    serializer_class = AgentOut
    pagination_class = CursorPages
    ordering = ("slug",)

    def get_queryset(self):
        """Return the agents that the parameters ask for."""
        asked = self.request.query_params
        return selectors.agents(
            text=asked.get("q", ""),
            status=one_of(self.request._request, "status", STATUSES),
            environment=asked.get("environment", ""),
            team=asked.get("team", ""),
        )

    @extend_schema(
        tags=TAGS,
        operation_id="agents_list",
        summary="List agents",
        parameters=[
            OpenApiParameter("q", description="Part of the name, id or purpose."),
            OpenApiParameter("status", enum=list(STATUSES)),
            OpenApiParameter("environment"),
            OpenApiParameter("team"),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the organization's agents by id."""
        return self.list(request)

    @extend_schema(
        tags=TAGS,
        operation_id="agents_create",
        summary="Register an agent",
        request=BODY,
        responses={201: AgentDesignOut},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        """Register an agent with its first version, as a draft. Send the design as JSON or YAML, in either shape."""
        return once(request, lambda: self._create(request))

    def _create(self, request: Request) -> HttpResponse:
        submission, source = self.submission(request)
        agent = services.register_agent(
            actor=actor_of(request._request), document=submission.document, source=source, **submission.beside
        )
        headers = {"Location": f"/api/v1/agents/{agent.slug}", "ETag": agent.etag}
        return JsonResponse(AgentDesignOut(agent).data, status=201, headers=headers)


class AgentView(DesignBody):
    """One agent."""

    renderer_classes = (JSONRenderer, YamlRenderer)

    @extend_schema(
        tags=TAGS,
        operation_id="agents_read",
        summary="Read an agent",
        parameters=[SHAPE],
        responses={(200, "application/json"): AgentDesignOut, (200, "application/yaml"): YAML_DESIGN},
    )
    def get(self, request: Request, slug: str) -> Response:
        """Return the agent with its current design (JSON), or the design alone (YAML)."""
        shape = asked_shape(request)
        agent = selectors.agent_by_slug(slug)
        if request.accepted_renderer.format == "yaml" and agent.current_version:
            text = render_yaml(selectors.design_of(agent.current_version), shape)
            return tagged(request._request, Response(text), agent.etag)
        return tagged(request._request, Response(AgentDesignOut(agent).data), agent.etag)

    @extend_schema(
        tags=TAGS,
        operation_id="agents_revise",
        summary="Revise an agent's design",
        request=BODY,
        responses={(200, "application/json"): AgentDesignOut},
        parameters=[IF_MATCH],
    )
    def put(self, request: Request, slug: str) -> Response:
        """Replace the design: a changed one becomes a new version, an unchanged one changes nothing.

        Without `version` the registry chooses the next label. A label that exists with another content is a 409 that
        names the label to write. If-Match with an old ETag is a 412.
        """
        agent = selectors.agent_by_slug(slug)
        submission, source = self.submission(request)
        document = submission.document if submission.has_id else replace(submission.document, slug=agent.slug)
        agent, _ = services.revise_design(
            actor=actor_of(request._request),
            slug=slug,
            document=document,
            source=source,
            if_match=if_match(request._request),
            **submission.beside,
        )
        return tagged(request._request, json_response(request, AgentDesignOut(agent).data), agent.etag)


class AgentStatusView(APIView):
    """The status of an agent."""

    parser_classes = (JSONParser,)

    @extend_schema(
        tags=TAGS,
        operation_id="agents_status",
        summary="Change an agent's status",
        request=StatusIn,
        responses={200: AgentDesignOut},
        parameters=[IF_MATCH],
    )
    def put(self, request: Request, slug: str) -> Response:
        """Move the agent to another status."""
        wanted = StatusIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        agent = services.change_agent_status(
            actor=actor_of(request._request), slug=slug, if_match=if_match(request._request), **wanted.validated_data
        )
        return tagged(request._request, Response(AgentDesignOut(agent).data), agent.etag)


class VersionsView(generics.ListAPIView):
    """The versions of an agent."""

    serializer_class = VersionOut
    pagination_class = CursorPages
    ordering = ("-number",)

    def get_queryset(self):
        """Return the agent's versions."""
        if getattr(self, "swagger_fake_view", False):
            return AgentVersion.objects.none()
        return selectors.versions(selectors.agent_by_slug(self.kwargs["slug"]))

    @extend_schema(tags=TAGS, operation_id="versions_list", summary="List an agent's versions")
    def get(self, request: Request, slug: str) -> Response:
        """List the versions of an agent, newest first."""
        return self.list(request)


class VersionView(APIView):
    """One version of an agent: it never changes."""

    renderer_classes = (JSONRenderer, YamlRenderer)

    @extend_schema(
        tags=TAGS,
        operation_id="versions_read",
        summary="Read a version",
        parameters=[SHAPE],
        responses={(200, "application/json"): VersionDesignOut, (200, "application/yaml"): YAML_DESIGN},
    )
    def get(self, request: Request, slug: str, version: str) -> Response:
        """Return a version with its design (JSON), or the design alone (YAML)."""
        shape = asked_shape(request)
        found = selectors.version_by_label(selectors.agent_by_slug(slug), version)
        if request.accepted_renderer.format == "yaml":
            return tagged(request._request, Response(render_yaml(selectors.design_of(found), shape)), found.etag)
        return tagged(request._request, Response(VersionDesignOut(found).data), found.etag)


class PromptOut(serializers.Serializer):
    """A prompt with its current text."""

    slug = serializers.CharField()
    name = serializers.CharField()
    number = serializers.IntegerField(source="current_version.number")
    text = serializers.CharField(source="current_version.text")
    content_hash = serializers.CharField(source="current_version.content_hash", help_text="SHA-256 of the text.")
    updated_at = serializers.DateTimeField()


class PromptsView(generics.ListAPIView):
    """The prompts of an agent."""

    serializer_class = PromptOut
    pagination_class = CursorPages
    ordering = ("slug",)

    def get_queryset(self):
        """Return the agent's prompts."""
        return selectors.prompts(selectors.agent_by_slug(self.kwargs["slug"]))

    @extend_schema(tags=TAGS, operation_id="prompts_list", summary="List an agent's prompts")
    def get(self, request: Request, slug: str) -> Response:
        """List the prompts of an agent with their current texts."""
        return self.list(request)


class PromptView(APIView):
    """One prompt of an agent."""

    @extend_schema(
        tags=TAGS,
        operation_id="prompts_read",
        summary="Read a prompt",
        parameters=[OpenApiParameter("number", int, description="An earlier version instead of the current one.")],
        responses=PromptOut,
    )
    def get(self, request: Request, slug: str, prompt: str) -> Response:
        """Return a prompt's current text, or that of version `number`."""
        found = selectors.prompt_by_slug(selectors.agent_by_slug(slug), prompt)
        number = request.query_params.get("number", "")
        if number.isascii() and number.isdigit():
            found.current_version = selectors.prompt_version(found, int(number[:9]))
        data = PromptOut(found).data
        return tagged(request._request, Response(data), f'"{data["content_hash"]}"')


def once(request: Request, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Carry out a POST that creates; with an Idempotency-Key, the same request is carried out once."""
    plain = request._request
    if int(plain.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        raise TooLarge(f"A body has up to {MAX_BODY_BYTES:,} bytes.", code="body_too_large")
    key = plain.headers.get("Idempotency-Key")
    credential: Any = request.auth
    if key is None:
        return act()
    return answer_once(
        key=key,
        credential_id=credential.key_id,
        request_fingerprint=fingerprint(plain.method or "", plain.path, plain.content_type or "", plain.body),
        act=act,
    )


def asked_shape(request: Request) -> str:
    """Return the YAML shape that is asked for."""
    return one_of(request._request, "shape", SHAPES, otherwise="agent_design")


def json_response(request: Request, data: dict) -> Response:
    """Answer in JSON whatever else the client accepts."""
    request.accepted_renderer = JSONRenderer()
    request.accepted_media_type = JSONRenderer.media_type
    return Response(data)

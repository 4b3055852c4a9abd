"""Bodies and entity tags: JSON or YAML by content type, If-Match and If-None-Match."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from apps.core.errors import DomainError, TooLarge

MAX_BODY_BYTES = 1_000_000


@dataclass(frozen=True)
class Text:
    """A body as it was sent, so that its reader can tell line and column of an error."""

    language: str  # json | yaml
    text: str


class _TextParser(BaseParser):
    language = ""

    def parse(self, stream, media_type=None, parser_context=None) -> Any:
        """Return the body as text; raises TooLarge, or a 400 where it is not UTF-8."""
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise TooLarge(f"A body has up to {MAX_BODY_BYTES:,} bytes.", code="body_too_large")
        try:
            return Text(self.language, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise DomainError("The body is not UTF-8.", code="not_utf8", status=400) from error


class JsonText(_TextParser):
    """Keeps a JSON body as text."""

    media_type = "application/json"
    language = "json"


class YamlText(_TextParser):
    """Keeps a YAML body as text (RFC 9512)."""

    media_type = "application/yaml"
    language = "yaml"


class XYamlText(YamlText):
    """The older name of the YAML media type."""

    media_type = "application/x-yaml"


class TextYamlText(YamlText):
    """Another older name of the YAML media type."""

    media_type = "text/yaml"


class YamlRenderer(BaseRenderer):
    """Sends a text that is YAML already."""

    media_type = "application/yaml"
    format = "yaml"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type=None, renderer_context=None) -> bytes:
        """Return the text."""
        return str(data).encode()


def text_body(request: Any) -> Text:
    """Return the body that a text parser kept; raises a 400 where nothing was sent."""
    sent = request.data
    if not isinstance(sent, Text) or not sent.text.strip():
        raise DomainError("The body is empty.", code="body_missing", status=400)
    return sent


def one_of(request: HttpRequest, name: str, allowed: Iterable[str], *, otherwise: str = "") -> str:
    """Return a query parameter that has a few values; raises a 400 naming them."""
    sent = request.GET.get(name, "")
    if not sent:
        return otherwise
    if sent not in allowed:
        message = f"{name} is one of {', '.join(allowed)}."
        raise DomainError(message, code="parameter_invalid", field=name, status=400)
    return sent


def if_match(request: HttpRequest) -> str | None:
    """Return the entity tag that a change was made against; None where the client states none (or `*`)."""
    sent = request.headers.get("If-Match", "").strip()
    if not sent or sent == "*":
        return None
    return sent.removeprefix("W/")


def tagged(request: HttpRequest, response: Response, etag: str) -> Response:
    """Give a response its entity tag; answers 304 where the client has this state already."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if request.method in ("GET", "HEAD") and (etag in known or "*" in known):
        response = Response(status=304)
    response["ETag"] = etag
    return response

"""The doors of telemetry: they authenticate for themselves, touch no session and answer as each protocol asks."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core.api.schema import any_body, describe
from apps.core.errors import DomainError, RateLimited, TooLarge, Unavailable
from apps.core.tenancy import scope
from apps.organizations.doors import Credential, authenticate_key, find_credential, open_to_people
from apps.telemetry.normal import Rejection, TooManySpans, WireError
from apps.telemetry.services.ingest import limits, store_spans
from apps.telemetry.services.outcomes import record_outcome
from apps.telemetry.wire import Decoded, answers, guide_events, langfuse_scores, openai_agents, otlp
from apps.telemetry.wire.body import BodyTooLarge, read_body


def _body(request: HttpRequest) -> bytes:
    """Return the unpacked body. Django's own stream is empty for a chunked one, so the server's is read."""
    length = request.META.get("CONTENT_LENGTH")
    return read_body(
        request.environ["wsgi.input"],  # type: ignore[attr-defined]
        length=int(length) if length else (None if "HTTP_TRANSFER_ENCODING" in request.META else 0),
        encoding=request.headers.get("Content-Encoding", ""),
        limit=settings.TELEMETRY["max_body_bytes"],
    )


def _otlp(
    request: HttpRequest, signal: str, keep: Callable[[Credential, bytes, bool], tuple[int, str]]
) -> HttpResponse:
    """Answer an OTLP request: 200 (partialSuccess where something was not kept), else google.rpc.Status."""
    json = answers.is_json(request.content_type or "")
    media_type = answers.JSON if json else answers.PROTOBUF
    try:
        credential = authenticate_key(request, scope="ingest")
        rejected_count, message = keep(credential, _body(request), json)
    except BodyTooLarge as error:
        return _failure(413, str(error), json)
    except TooManySpans as error:
        return _failure(413, str(error), json)
    except WireError as error:
        return _failure(400, str(error), json)
    except (RateLimited, Unavailable) as error:
        response = _failure(error.status, error.message, json)
        response["Retry-After"] = str(error.retry_after)
        return response
    except DomainError as error:
        return _failure(error.status, error.message, json)
    content = answers.success(signal, json=json, rejected_count=rejected_count, message=message)
    return HttpResponse(content, content_type=media_type)


def _failure(status: int, message: str, json: bool) -> HttpResponse:
    media_type = answers.JSON if json else answers.PROTOBUF
    return HttpResponse(answers.failure(status, message, json=json), status=status, content_type=media_type)


def _store(credential: Credential, decoded: Decoded) -> list[Rejection]:
    """Store what was read; return everything that was refused, by the index of the request."""
    if not decoded.spans:
        return decoded.rejected
    stored = store_spans(
        organization_id=credential.organization_id, agent_slug=credential.agent_slug, spans=decoded.spans
    )
    return [*decoded.rejected, *stored.rejected]


_OTLP = any_body("application/x-protobuf", "application/json")


@describe("post", "/v1/traces", summary="Send traces (OTLP/HTTP)", tags=["Ingest"], scope="ingest", requestBody=_OTLP)
@csrf_exempt
@require_POST
@open_to_people
def traces(request: HttpRequest) -> HttpResponse:
    """OTLP/HTTP traces, protobuf or JSON (`/v1/traces`, and Langfuse's address for the same)."""

    def keep(credential: Credential, body: bytes, json: bool) -> tuple[int, str]:
        decoded = (otlp.decode_json if json else otlp.decode_protobuf)(body, limits())
        rejected = _store(credential, decoded)
        return len(rejected), answers.rejection_message(rejected)

    return _otlp(request, "traces", keep)


def _not_kept(request: HttpRequest, signal: str) -> HttpResponse:
    def keep(credential: Credential, body: bytes, json: bool) -> tuple[int, str]:
        count = answers.count_unkept(signal, body, json=json)
        return count, f"{signal} are not kept: the metrics are computed from traces" if count else ""

    return _otlp(request, signal, keep)


@describe("post", "/v1/metrics", summary="Send metrics (not kept)", tags=["Ingest"], scope="ingest", requestBody=_OTLP)
@csrf_exempt
@require_POST
@open_to_people
def metrics(request: HttpRequest) -> HttpResponse:
    """OTLP/HTTP metrics: taken without an error, and said to be not kept."""
    return _not_kept(request, "metrics")


@describe("post", "/v1/logs", summary="Send logs (not kept)", tags=["Ingest"], scope="ingest", requestBody=_OTLP)
@csrf_exempt
@require_POST
@open_to_people
def logs(request: HttpRequest) -> HttpResponse:
    """OTLP/HTTP logs: taken without an error, and said to be not kept."""
    return _not_kept(request, "logs")


def _decode(request: HttpRequest, decode: Callable) -> tuple[Credential, Decoded]:
    credential = authenticate_key(request, scope="ingest")
    try:
        return credential, decode(_body(request), limits())
    except (BodyTooLarge, TooManySpans) as error:
        raise TooLarge(f"{error}.", code="too_large") from error
    except WireError as error:
        raise DomainError(f"{error}.", code="unreadable", status=400) from error


@describe(
    "post",
    "/api/v1/events",
    summary="Send events",
    description="One event, an array of events, or one event a line.",
    tags=["Ingest"],
    scope="ingest",
    requestBody=any_body("application/json", "application/x-ndjson"),
)
@csrf_exempt
@require_POST
@open_to_people
def events(request: HttpRequest) -> HttpResponse:
    """The product's own events: an object, an array, or NDJSON; each is accepted or refused by itself."""
    credential, decoded = _decode(request, guide_events.decode)
    rejected = _store(credential, decoded)
    sent = len(decoded.spans) + len(decoded.rejected)
    refused = [{"index": rejection.index, "message": rejection.reason} for rejection in rejected]
    if refused and len(refused) == sent:
        raise DomainError(
            f"No event was accepted; the first: {refused[0]['message']}.",
            code="events_rejected",
            extra={"accepted": 0, "rejected": refused[:100]},
        )
    return JsonResponse({"accepted": sent - len(refused), "rejected": refused})


@csrf_exempt
@require_POST
@open_to_people
def agents_sdk(request: HttpRequest) -> HttpResponse:
    """The OpenAI Agents SDK's own trace export."""
    credential, decoded = _decode(request, openai_agents.decode)
    rejected = _store(credential, decoded)
    return JsonResponse({"accepted": len(decoded.spans), "rejected": [rejection.reason for rejection in rejected]})


@csrf_exempt
@require_POST
@open_to_people
def langfuse_score(request: HttpRequest) -> HttpResponse:
    """Langfuse scores, one or an array: outcomes of the traces they name."""
    credential = authenticate_key(request, scope="ingest")
    scores = _read_scores(request)
    successes, errors = _record_all(credential, scores)
    if errors:
        return JsonResponse({"successes": successes, "errors": errors}, status=207)
    return JsonResponse({"id": scores[0][0]} if len(scores) == 1 else {"successes": successes, "errors": []})


@csrf_exempt
@require_POST
@open_to_people
def langfuse_batch(request: HttpRequest) -> HttpResponse:
    """A batch of Langfuse's ingestion events: scores are taken, the rest is refused with the reason (207)."""
    credential = authenticate_key(request, scope="ingest")
    try:
        batch = langfuse_scores.decode_batch(_body(request))
    except WireError as error:
        raise DomainError(f"{error}.", code="unreadable", status=400) from error
    successes, errors = _record_all(credential, batch)
    return JsonResponse({"successes": successes, "errors": errors}, status=207)


def _record_all(credential: Credential, scores: langfuse_scores.Scores) -> tuple[list[dict], list[dict]]:
    """Record what could be read; return what was and what was not, as Langfuse words it."""
    successes, errors = [], []
    for event_id, score in scores:
        if isinstance(score, str):
            errors.append({"id": event_id, "status": 400, "message": score})
        else:
            _record(credential, score)
            successes.append({"id": event_id, "status": 201})
    return successes, errors


def _read_scores(request: HttpRequest) -> langfuse_scores.Scores:
    try:
        return langfuse_scores.decode_scores(_body(request))
    except BodyTooLarge as error:
        raise TooLarge(f"{error}.", code="too_large") from error
    except WireError as error:
        raise DomainError(f"{error}.", code="unreadable", status=400) from error


def _record(credential: Credential, score: langfuse_scores.Score) -> None:
    with scope(credential.organization_id):
        record_outcome(
            actor=credential.actor,
            trace_id=score.trace_id,
            evaluated_success=score.evaluated_success,
            user_success=score.user_success,
            user_score=score.user_score,
            outcome_name=score.name,
            comment=score.comment,
            source="langfuse",
        )


@csrf_exempt
@require_POST
@open_to_people
def agentops_token(request: HttpRequest) -> HttpResponse:
    """The AgentOps SDK exchanges its key for a token; here the key is its own token, once it is known to be valid."""
    try:
        sent = guide_events.decode_object(_body(request)).get("api_key")
    except WireError as error:
        raise DomainError(f"{error}.", code="unreadable", status=400) from error
    credential = find_credential(sent) if isinstance(sent, str) else None
    if credential is None:
        raise DomainError("This API key is not known.", code="key_unknown", status=401)
    return JsonResponse({"token": sent, "project_id": str(credential.organization_id), "api_key": sent})

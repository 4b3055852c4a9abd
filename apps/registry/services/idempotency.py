"""Answer a repeated POST with the answer it already got (IETF draft on the Idempotency-Key header, -07).

Only requests that succeeded are kept, in the transaction of their act: a refused or failed one may be tried again under
its key. Records are kept RETENTION long.
"""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone

from apps.core.errors import Conflict, DomainError
from apps.core.tenancy import current_organization_id
from apps.registry.models import IdempotencyRecord

RETENTION = timedelta(hours=24)
LONGEST_KEY = 255
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")


def fingerprint(method: str, path: str, content_type: str, body: bytes) -> str:
    """Return what must be equal for two requests to be the same request."""
    head = f"{method} {path}\n{content_type}\n".encode()
    return sha256(head + body).hexdigest()


def answer_once(
    *, key: str, credential_id: UUID, request_fingerprint: str, act: Callable[[], HttpResponse]
) -> HttpResponse:
    """Carry out `act` unless the same request did already; the stored answer says so in `Idempotency-Replayed`.

    Raises 400 for a key that cannot be one, 409 while the first request is still under way, and 422 where the key
    belongs to another request.
    """
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        message = f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters."
        raise DomainError(message, code="idempotency_key_invalid", status=400)
    if not _claim(key, credential_id):
        raise Conflict("The first request with this Idempotency-Key is under way.", code="idempotency_in_flight")
    now = timezone.now()
    IdempotencyRecord.objects.filter(expires_at__lte=now).delete()
    known = IdempotencyRecord.objects.filter(credential_id=credential_id, key=key).first()
    if known is not None:
        if known.fingerprint != request_fingerprint:
            message = "This Idempotency-Key belongs to another request; use a new one."
            raise DomainError(message, code="idempotency_key_reused")
        replayed = HttpResponse(known.body, status=known.status, headers=known.headers)
        replayed["Idempotency-Replayed"] = "true"
        return replayed
    response = act()
    if response.status_code < 400:
        IdempotencyRecord.objects.create(
            organization_id=current_organization_id(),
            credential_id=credential_id,
            key=key,
            fingerprint=request_fingerprint,
            status=response.status_code,
            headers={name: response[name] for name in _KEPT_HEADERS if name in response},
            body=response.content.decode(),
            created_at=now,
            expires_at=now + RETENTION,
        )
    return response


def _claim(key: str, credential_id: UUID) -> bool:
    """Take the key for this transaction; False if another one holds it."""
    digest = sha256(f"{current_organization_id()}/{credential_id}/{key}".encode()).digest()
    number = int.from_bytes(digest[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return cursor.fetchone()[0]

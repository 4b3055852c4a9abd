"""The guards of every door: which role a page needs, which scope an API call needs.

A file of its own (beside the usual rooms) because every app above imports it and nothing else of this app's doors.
"""

import base64
import binascii
import time
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from apps.core.actors import Actor
from apps.core.doors import PageRequest, actor_of, open_to_people, require, requires
from apps.core.errors import NotAllowed, Unauthenticated
from apps.core.tenancy import everyone
from apps.organizations.models import ApiKey
from apps.organizations.rules import KEY_MARK, key_digest

__all__ = [
    "ApiKeyAuthentication",
    "Credential",
    "HasScope",
    "PageRequest",
    "actor_of",
    "authenticate_key",
    "find_credential",
    "forget_credentials",
    "open_to_people",
    "require",
    "requires",
]

# How long a worker may go on accepting a key that was revoked elsewhere.
KEY_CACHE_SECONDS = 5.0
_KEY_CACHE_SIZE = 10_000


@dataclass(frozen=True)
class Credential:
    """An API key that was verified: whose it is and what it may do."""

    organization_id: UUID
    organization_slug: str
    key_id: UUID
    name: str
    prefix: str
    scopes: frozenset[str]
    agent_slug: str | None
    expires_at: datetime | None

    @property
    def actor(self) -> Actor:
        """Return the key as the actor of what it does."""
        return Actor("key", str(self.key_id), f"{self.name} ({self.prefix}…)")

    # DRF asks its user for this.
    is_authenticated = True


_cache: dict[bytes, tuple[float, Credential | None]] = {}
_cache_lock = Lock()


def authenticate_key(request: HttpRequest, *, scope: str) -> Credential:
    """Return the credential behind a request; raises Unauthenticated or NotAllowed.

    The key comes as `Authorization: Bearer KEY`, as `x-api-key: KEY`, bare in Authorization, or in Basic as the user's
    name or password (clients differ in which half they call the secret).
    """
    credential = None
    for key in sent_keys(request):
        credential = find_credential(key)
        if credential is not None:
            break
    if credential is None:
        raise Unauthenticated("Send a valid API key: Authorization: Bearer KEY, or x-api-key: KEY.", code="key_unknown")
    if credential.expires_at and credential.expires_at <= timezone.now():
        raise Unauthenticated(f"The key {credential.prefix}… has expired.", code="key_expired")
    if scope not in credential.scopes and "admin" not in credential.scopes:
        raise NotAllowed(f"The key {credential.prefix}… lacks the scope “{scope}”.", code="scope_missing")
    return credential


def sent_keys(request: HttpRequest) -> list[str]:
    """Return what the request offers as API keys, most explicit first."""
    sent = []
    if key := request.headers.get("x-api-key"):
        sent.append(key.strip())
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        sent.append(value.strip())
    elif scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return sent
        sent += [password, name]
    elif scheme and not value:
        sent.append(scheme)
    return [key for key in sent if key]


def find_credential(key: str) -> Credential | None:
    """Return the credential of a key, from a short-lived cache where possible; None for an unknown or revoked key."""
    digest = key_digest(key)
    now = time.monotonic()
    cached = _cache.get(digest)
    if cached is not None and cached[0] > now:
        return cached[1]
    credential = _load_credential(digest)
    # Unknown keys are not kept: a stranger must not be able to push the known ones out.
    if credential is not None:
        with _cache_lock:
            if len(_cache) >= _KEY_CACHE_SIZE:
                _cache.clear()
            _cache[digest] = (now + KEY_CACHE_SECONDS, credential)
    return credential


def forget_credentials() -> None:
    """Empty this process's cache (after a key was revoked here; other processes follow within KEY_CACHE_SECONDS)."""
    with _cache_lock:
        _cache.clear()


def _load_credential(digest: bytes) -> Credential | None:
    with everyone(reason="the key names the organization"):
        key = ApiKey.objects.select_related("organization").filter(digest=digest, revoked_at=None).first()
        if key is None:
            return None
        now = timezone.now()
        # To the minute is enough, and keeps a busy key from writing on every look-up.
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return Credential(
        organization_id=key.organization_id,
        organization_slug=key.organization.slug,
        key_id=key.pk,
        name=key.name,
        prefix=key.prefix,
        scopes=frozenset(key.scopes),
        agent_slug=key.agent_slug,
        expires_at=key.expires_at,
    )


class ApiKeyAuthentication(BaseAuthentication):
    """Hand DRF the credential that the middleware verified."""

    def authenticate(self, request):
        """Return the credential as both user and token."""
        credential = getattr(request._request, "credential", None)
        return None if credential is None else (credential, credential)

    def authenticate_header(self, request) -> str:
        """Name the scheme in a 401."""
        return f'Bearer realm="agentops", format="{KEY_MARK}_…"'


class HasScope(BasePermission):
    """A DRF view states `scopes = {"GET": "read", "POST": "write"}`; the credential must have it (admin has all)."""

    DEFAULT = {"GET": "read", "HEAD": "read", "OPTIONS": "read"}

    def has_permission(self, request, view) -> bool:
        """Raise NotAllowed naming the scope that is missing."""
        needed = getattr(view, "scopes", {}).get(request.method) or self.DEFAULT.get(request.method, "write")
        credential = request.auth
        if credential is None:
            raise Unauthenticated("Send a valid API key: Authorization: Bearer KEY.", code="key_unknown")
        if needed not in credential.scopes and "admin" not in credential.scopes:
            raise NotAllowed(f"The key {credential.prefix}… lacks the scope “{needed}”.", code="scope_missing")
        return True

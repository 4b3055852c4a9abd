"""How many requests a key and an organization may send in a minute, counted in the shared cache."""

import logging
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.core.errors import RateLimited

WINDOW_SECONDS = 60

log = logging.getLogger(__name__)


def count_request(counter: str, *, most: int) -> None:
    """Count one request; raises RateLimited when the minute's share is used up.

    A cache that does not answer lets requests through: limits protect the service, they are no wall.
    """
    now = time.time()
    window = int(now // WINDOW_SECONDS)
    name = f"requests:{counter}:{window}"
    try:
        cache.add(name, 0, timeout=WINDOW_SECONDS * 2)
        count = cache.incr(name)
    except (RedisError, ValueError):
        log.warning("requests are not limited: the cache does not answer")
        return
    if count > most:
        retry_after = max(1, int((window + 1) * WINDOW_SECONDS - now) + 1)
        raise RateLimited(
            f"More than {most} requests in this minute ({counter.partition(':')[0]}).", retry_after=retry_after
        )


class KeyAndOrganization(BaseThrottle):
    """Limits each API key, and all keys of an organization together."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request; raises RateLimited."""
        credential: Any = request.auth
        if credential is not None:
            count_request(f"key:{credential.key_id}", most=settings.API_LIMITS["key_per_minute"])
            count_request(
                f"organization:{credential.organization_id}", most=settings.API_LIMITS["organization_per_minute"]
            )
        return True

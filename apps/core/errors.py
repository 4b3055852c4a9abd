"""Errors that a visitor is told about; every door turns them into its own form (problem+json, page or fragment)."""

from typing import Any


class DomainError(Exception):
    """A request that cannot be carried out, with a sentence that says why and what is allowed.

    `code` is stable and machine-readable (`agent_exists`), `field` names the input at fault, `extra` travels into the
    problem+json body (RFC 9457 extension members).
    """

    status = 422
    title = "The request cannot be carried out"

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid",
        field: str | None = None,
        status: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.status = status or self.status
        self.extra = extra or {}

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 members of this error."""
        body: dict[str, Any] = {
            "type": f"urn:agentops:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            **self.extra,
        }
        if self.field:
            body["errors"] = [{"field": self.field, "message": self.message, "code": self.code}]
        return body


class Unauthenticated(DomainError):
    """Nobody known stands behind the request."""

    status = 401
    title = "Not authenticated"


class NotAllowed(DomainError):
    """The visitor is known but this act needs another role or scope."""

    status = 403
    title = "Not allowed"


class Missing(DomainError):
    """No such object here; also the answer for another organization's object."""

    status = 404
    title = "Not found"


class Conflict(DomainError):
    """The object changed meanwhile, or the act contradicts its state."""

    status = 409
    title = "Conflict"


class Stale(Conflict):
    """The version that the change was made against (If-Match) is not the current one any more."""

    status = 412
    title = "Changed meanwhile"


class TooLarge(DomainError):
    """The body or a batch is over its announced limit."""

    status = 413
    title = "Too large"


class RateLimited(DomainError):
    """Too many requests; `retry_after` seconds later the next one is welcome."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, *, retry_after: int, code: str = "rate_limited") -> None:
        super().__init__(message, code=code, extra={"retry_after_seconds": retry_after})
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A part of the installation does not answer now; the client may try again."""

    status = 503
    title = "Temporarily unavailable"

    def __init__(self, message: str, *, retry_after: int = 5, code: str = "unavailable") -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after

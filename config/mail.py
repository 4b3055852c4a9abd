"""Where mail goes: EMAIL_URL names the server, without one mail is printed to the log."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def mailer(url: str) -> dict[str, Any]:
    """Return Django's settings of the default mailer.

    `smtp://user:password@host:587?tls=1` (STARTTLS), `smtps://…` (TLS from the start), `file:///folder`; an empty
    address prints mail to standard output, which suits a trial on one machine only.
    """
    if not url:
        return {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = urlsplit(url)
    if parts.scheme == "file":
        return {"BACKEND": "django.core.mail.backends.filebased.EmailBackend", "OPTIONS": {"file_path": parts.path}}
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ImproperlyConfigured(f"EMAIL_URL is {url!r}: write smtp://user:password@host:587?tls=1")
    query = parse_qs(parts.query)
    is_tls = parts.scheme == "smtps"
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or (465 if is_tls else 587),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": is_tls,
            "use_tls": not is_tls and query.get("tls", ["1"])[0] not in ("0", "false"),
            "timeout": 20,
        },
    }

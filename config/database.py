"""The database roles and how each process logs in.

DATABASE_URL names the owner of the schema (it migrates and creates the roles). Web and worker never log in with it:
they use `agentops_app`, which owns nothing and is subject to row-level security; ingest uses `agentops_ingest`, which
may only insert into the telemetry tables (COPY refuses tables with row security, so it bypasses it). Their passwords
are derived from SECRET_KEY unless DATABASE_APP_URL / DATABASE_INGEST_URL give whole addresses of their own.
"""

import hashlib
import hmac
import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

APP_ROLE = "agentops_app"
EVERYONE_ROLE = "agentops_everyone"
INGEST_ROLE = "agentops_ingest"


def role_password(secret_key: str, role: str) -> str:
    """Return the password of a login role: an HMAC of its name, so that no second secret has to be kept."""
    return hmac.new(secret_key.encode(), f"database role {role}".encode(), hashlib.sha256).hexdigest()


def parse_url(url: str) -> dict[str, Any]:
    """Split `postgresql://user:password@host:port/name?host=/socket/dir` into Django's connection settings.

    Raises ImproperlyConfigured for another scheme or a missing database name.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(f"DATABASE_URL has the scheme {parts.scheme!r}: AgentOps needs postgresql://")
    options = dict(parse_qsl(parts.query))
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database: postgresql://user:password@host/NAME")
    return {
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": options.pop("port", None) or str(parts.port or ""),
        "OPTIONS": options,
    }


def connection(url: str, *, role: str | None = None, secret_key: str = "", own_url: str = "") -> dict[str, Any]:
    """Return Django's settings for one alias: the owner's (no role), or a login role of the same database."""
    settings = parse_url(own_url or url)
    if role and not own_url:
        settings |= {"USER": role, "PASSWORD": role_password(secret_key, role)}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 300,
        "TIME_ZONE": "UTC",
        **settings,
    }


def ingest_conninfo(secret_key: str) -> dict[str, str]:
    """Return psycopg's keyword arguments for the insert-only role."""
    settings = connection(
        os.environ["DATABASE_URL"],
        role=INGEST_ROLE,
        secret_key=secret_key,
        own_url=os.environ.get("DATABASE_INGEST_URL", ""),
    )
    named = {
        "dbname": settings["NAME"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"],
        "port": settings["PORT"],
        **settings["OPTIONS"],
    }
    return {key: value for key, value in named.items() if value}

"""Who may do what: the roles of an organization and what each of them is trusted with. No Django here."""

import hashlib
import re
import secrets

ROLES = {
    "owner": "Owner",
    "admin": "Administrator",
    "manager": "Manager",
    "reviewer": "Reviewer",
    "board": "Board member",
    "auditor": "Auditor",
    "viewer": "Viewer",
}

_EVERYBODY = frozenset(ROLES)
_ADMINISTRATORS = frozenset({"owner", "admin"})
_MANAGERS = _ADMINISTRATORS | {"manager"}

# One row per permission. The auditor reads everything and changes nothing.
PERMISSIONS: dict[str, frozenset[str]] = {
    "organization.view": _EVERYBODY,
    "organization.edit": _ADMINISTRATORS,
    "organization.delete": frozenset({"owner"}),
    "people.view": _EVERYBODY,
    "people.edit": _ADMINISTRATORS,
    "keys.view": _ADMINISTRATORS | {"auditor"},
    "keys.edit": _ADMINISTRATORS,
    "agents.view": _EVERYBODY,
    "agents.edit": _MANAGERS,
    "telemetry.view": _EVERYBODY,
    "telemetry.edit": _MANAGERS,
    "prices.view": _EVERYBODY,
    "prices.edit": _MANAGERS,
    "redaction.view": _EVERYBODY,
    "redaction.edit": _ADMINISTRATORS,
    "audit.view": _ADMINISTRATORS | {"board", "auditor"},
}

# What an API key may be given.
SCOPES = {
    "ingest": "Send telemetry",
    "read": "Read agents, tasks, traces and metrics",
    "write": "Register agents and post outcomes",
    "admin": "Manage the organization",
}

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
RESERVED_SLUGS = frozenset({"new", "settings", "admin", "api", "static", "accounts"})

KEY_MARK = "ao"


def may(role: str | None, permission: str) -> bool:
    """Tell whether a role includes a permission; raises KeyError for a permission that does not exist."""
    return role in PERMISSIONS[permission]


def roles_with(permission: str) -> list[str]:
    """Return the names of the roles that include a permission, in the order of ROLES."""
    return [name for role, name in ROLES.items() if role in PERMISSIONS[permission]]


def is_slug(text: str) -> bool:
    """Tell whether a text can name an organization in an address."""
    return SLUG.fullmatch(text) is not None and text not in RESERVED_SLUGS


def new_key() -> tuple[str, str, bytes]:
    """Return a fresh API key, its visible prefix and its digest.

    The secret has 256 random bits, so a plain SHA-256 cannot be searched; only prefix and digest are stored.
    """
    prefix = f"{KEY_MARK}_{secrets.token_hex(4)}"
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    return key, prefix, key_digest(key)


def key_digest(key: str) -> bytes:
    """Return the digest under which a key or token is stored and looked up."""
    return hashlib.sha256(key.encode()).digest()

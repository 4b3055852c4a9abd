"""The sidebar for one visitor: the entries of config.navigation that their role may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from apps.organizations.rules import may
from config.navigation import NAVIGATION


def shell(request: HttpRequest) -> dict[str, Any]:
    """Give every template the organization, the visitor's membership and the sidebar (context processor)."""
    organization = getattr(request, "organization", None)
    context = {"organization": organization, "membership": getattr(request, "membership", None)}
    if organization is None:
        return context
    role = request.role  # type: ignore[attr-defined]
    groups = []
    for title, entries in NAVIGATION:
        links = []
        for entry in entries:
            if may(role, entry.permission):
                url = reverse(entry.url_name, args=[organization.slug])
                is_home = entry.url_name == "home:home_page"
                is_current = request.path == url if is_home else request.path.startswith(url)
                links.append({**entry._asdict(), "url": url, "is_current": is_current})
        groups.append({"title": title, "entries": links})
    can = {permission.replace(".", "_"): may(role, permission) for permission in _SHOWN}
    return {**context, "navigation": groups, "can": can}


# What templates ask about: a button that would be refused is not drawn.
_SHOWN = (
    "organization.edit",
    "people.edit",
    "keys.edit",
    "keys.view",
    "agents.edit",
    "telemetry.edit",
    "prices.edit",
    "redaction.edit",
    "audit.view",
)

"""Every address: who may open it. A new one without a guard fails; the outsider always gets 404."""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.organizations.rules import PERMISSIONS, ROLES
from tests.world import CAST

# Values for the parts of addresses; nothing by these names exists, so a visitor who is let in gets 404 or 2xx.
PARTS = {
    "organization": "acme",
    "agent": "support-agent",
    "slug": "support-agent",
    "task_id": "none",
    "trace_id": "none",
    "token": "none",
    "label": "1.0.0",
    "number": "1",
    "prompt": "none",
}


def patterns(resolver: URLResolver, prefix: str = "", namespace: str = ""):
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route, namespace + f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern):
            yield namespace + (pattern.name or ""), route, pattern


EVERY = list(patterns(get_resolver()))
PAGES = [entry for entry in EVERY if entry[1].startswith("o/<slug:organization>/")]
# Addresses of libraries guard themselves; /api/ is guarded by the middleware and DRF (tests/house/test_api_guards).
LIBRARIES = ("accounts/", "api/schema", "api/docs")


def address(pattern: URLPattern, route: str) -> str:
    path = route
    for name, converter in pattern.pattern.converters.items():
        value = PARTS.get(name, "00000000-0000-7000-8000-000000000000")
        if type(converter).__name__ == "IntConverter":
            value = "1"
        path = path.replace(f"<{_word(converter)}:{name}>", value).replace(f"<{name}>", value)
    return "/" + path


def _word(converter) -> str:
    return type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")


@pytest.mark.parametrize(("name", "route", "pattern"), PAGES, ids=[entry[0] for entry in PAGES])
def test_a_page_states_its_permission(name, route, pattern):
    permission = getattr(pattern.callback, "permission", "missing")
    assert permission in PERMISSIONS, f"{route}: guard it with requires(…)"


@pytest.mark.parametrize(("name", "route", "pattern"), PAGES, ids=[entry[0] for entry in PAGES])
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_outsider_gets_404_and_the_stranger_the_sign_in(world, name, route, pattern, method):
    path = address(pattern, route)
    assert getattr(world.client("mallory"), method)(path).status_code == 404
    answer = getattr(Client(), method)(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(("name", "route", "pattern"), PAGES, ids=[entry[0] for entry in PAGES])
def test_roles_without_the_permission_are_refused(world, name, route, pattern):
    path = address(pattern, route)
    permission = pattern.callback.permission
    for person, role in CAST.items():
        client = world.client(person)
        statuses = {client.get(path).status_code, client.post(path).status_code}
        if role in PERMISSIONS[permission]:
            assert statuses != {403}, f"{person} may {permission}"
        else:
            # A page that takes one method only refuses the other before it asks for the role.
            assert 403 in statuses, f"{person} may not {permission}"
            assert statuses <= {403, 405}, f"{person} may not {permission}"


def test_every_address_outside_an_organization_is_open_on_purpose():
    unguarded = []
    for name, route, pattern in EVERY:
        if route.startswith(("o/<slug:organization>/", *LIBRARIES)) or route in ("healthz", "readyz"):
            continue
        is_drf = hasattr(pattern.callback, "view_class") or hasattr(pattern.callback, "cls")
        if not is_drf and getattr(pattern.callback, "permission", "missing") is not None:
            unguarded.append((name, route))
    assert unguarded == []


@pytest.mark.parametrize(
    ("name", "route", "pattern"),
    [entry for entry in EVERY if entry[1].startswith("api/v1/")],
    ids=[entry[0] for entry in EVERY if entry[1].startswith("api/v1/")],
)
def test_the_api_refuses_strangers(world, name, route, pattern):
    path = address(pattern, route)
    for method in ("get", "post", "put"):
        answer = getattr(Client(), method)(path, content_type="application/json")
        assert answer.status_code in (401, 405), (method, path)


def test_every_role_is_in_the_cast():
    assert set(CAST.values()) == set(ROLES)

"""The OpenAPI document is valid and complete."""

import re

from django.urls import get_resolver
from drf_spectacular.validation import validate_schema

# Doors of other products' protocols: described by those products.
FOREIGN = re.compile(r"^/(api/public/|v3/)")


def test_the_schema_is_valid_openapi_3_1(client, db):
    response = client.get("/api/schema")
    assert response.status_code == 200
    document = response.json()
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_every_operation_has_a_summary_tags_and_the_common_error(client, db):
    for path, methods in client.get("/api/schema").json()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path}"
            assert operation.get("tags"), f"{method} {path}"
            assert "default" in operation["responses"], f"{method} {path}"


def test_operation_ids_are_unique(client, db):
    ids = [
        operation["operationId"]
        for methods in client.get("/api/schema").json()["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_every_api_address_is_in_the_schema(client, db):
    described = {re.sub(r"\{\w+\}", "{}", path) for path in client.get("/api/schema").json()["paths"]}
    served = set()

    def walk(patterns, prefix="/"):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, prefix + str(pattern.pattern))
            else:
                served.add(re.sub(r"<[^>]+>", "{}", prefix + str(pattern.pattern)))

    walk(get_resolver().url_patterns)
    missing = {path for path in served if path.startswith("/api/v1/") and not FOREIGN.match(path)} - described
    assert not missing, f"describe them (apps.core.api.schema.describe): {sorted(missing)}"


def test_the_reference_needs_no_script_and_shows_every_operation(client, db):
    response = client.get("/api/docs")
    text = response.content.decode()
    assert response.status_code == 200
    for path in client.get("/api/schema").json()["paths"]:
        assert f"<code>{path}</code>" in text
    assert "<script>" not in text
    assert "//cdn" not in text


def test_the_reference_links_only_to_schemas_that_exist(client, db):
    text = client.get("/api/docs").content.decode()
    ids = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= ids

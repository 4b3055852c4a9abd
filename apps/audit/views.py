"""The audit trail in the browser: search, export, verification, and the public keys."""

import json
from collections.abc import Iterator
from uuid import UUID

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from apps.audit import selectors
from apps.core.doors import PageRequest, open_to_people, requires
from apps.core.pages import page
from apps.core.tenancy import scope

PAGE_SIZE = 50


@require_GET
@requires("audit.view")
def entries(request: PageRequest) -> HttpResponse:
    """Show the trail, newest first, narrowed by text, action, actor and target; pages follow the sequence."""
    wanted = {
        name: request.GET.get(name, "").strip() for name in ("text", "action", "actor", "target_kind", "target_id")
    }
    before = request.GET.get("before", "")
    found = selectors.entries(**wanted)
    if before.isdigit():
        found = found.filter(sequence__lt=int(before))
    rows = list(found[: PAGE_SIZE + 1])
    context = {
        "entries": rows[:PAGE_SIZE],
        "next": rows[PAGE_SIZE - 1].sequence if len(rows) > PAGE_SIZE else None,
        "wanted": wanted,
        "is_filtered": any(wanted.values()),
        "actions": selectors.actions(),
        "checkpoint": selectors.latest_checkpoint(),
    }
    return page(request, "audit/entry_list.html", context, part="results")


@require_GET
@requires("audit.view")
def export(request: PageRequest) -> StreamingHttpResponse:
    """Hand out the whole trail with its checkpoints as JSON lines, ready for the verifier."""
    name = f"audit-{request.organization.slug}.jsonl"
    return StreamingHttpResponse(
        _lines(request.organization.id),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(organization_id: UUID) -> Iterator[str]:
    # The answer is written after the request's own scope has ended.
    with scope(organization_id):
        for line in selectors.export_lines():
            yield json.dumps(line, ensure_ascii=False) + "\n"


@require_GET
@requires("audit.view")
def verify(request: PageRequest) -> HttpResponse:
    """Verify the chain now and show the result."""
    return page(request, "audit/verification_page.html", {"faults": selectors.faults(), "total": selectors.total()})


@require_GET
@open_to_people
def public_keys(request: PageRequest) -> JsonResponse:
    """Publish the keys that checkpoints are signed with (Ed25519, raw, base64)."""
    return JsonResponse({"keys": selectors.public_keys()})

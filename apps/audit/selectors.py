"""Read the audit trail."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from apps.audit import rules
from apps.audit.models import AuditCheckpoint, AuditEntry, AuditHead
from apps.core.times import rfc3339


def entries(
    *, text: str = "", action: str = "", actor: str = "", target_kind: str = "", target_id: str = ""
) -> QuerySet[AuditEntry]:
    """Return the organization's entries, newest first, narrowed by what is given."""
    found = AuditEntry.objects.order_by("-sequence")
    if action:
        found = found.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    if actor:
        found = found.filter(Q(actor_id=actor) | Q(actor_name__icontains=actor))
    if target_kind:
        found = found.filter(target_kind=target_kind)
    if target_id:
        found = found.filter(target_id=target_id)
    if text:
        found = found.filter(Q(target_name__icontains=text) | Q(actor_name__icontains=text) | Q(action__icontains=text))
    return found


def exported(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as the JSON object that the verifier reads."""
    record = {name: getattr(entry, name) for name in rules.FIELDS}
    record["organization_id"] = str(entry.organization_id)
    record["at"] = rfc3339(entry.at)
    record["hash"] = entry.hash
    return record


def export_lines() -> Iterator[dict[str, Any]]:
    """Yield the whole trail: the public keys, then entries in order, then checkpoints (one JSON object a line)."""
    yield {"type": "keys", "keys": public_keys()}
    for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=2000):
        yield {"type": "entry", **exported(entry)}
    for checkpoint in AuditCheckpoint.objects.order_by("sequence").iterator(chunk_size=2000):
        yield {"type": "checkpoint", **exported_checkpoint(checkpoint)}


def exported_checkpoint(checkpoint: AuditCheckpoint) -> dict[str, Any]:
    """Return a checkpoint as the JSON object that the verifier reads."""
    return {
        "organization_id": str(checkpoint.organization_id),
        "sequence": checkpoint.sequence,
        "hash": checkpoint.hash,
        "signed_at": rfc3339(checkpoint.signed_at),
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature,
    }


def public_keys() -> dict[str, str]:
    """Return the installation's public keys by id (published at /.well-known/agentops-audit-keys.json)."""
    public = rules.public_key_text(rules.signing_key(settings.SECRET_KEY))
    return {rules.key_id(public): public}


def faults() -> list[rules.Fault]:
    """Verify the organization's chain as it stands in the database."""
    return list(
        rules.find_faults(
            (exported(entry) for entry in AuditEntry.objects.order_by("sequence").iterator(chunk_size=2000)),
            (exported_checkpoint(checkpoint) for checkpoint in AuditCheckpoint.objects.order_by("sequence")),
            public_keys(),
        )
    )


def total() -> int:
    """Return how many entries the organization's chain has (its last sequence number, without counting)."""
    head = AuditHead.objects.first()
    return head.sequence if head else 0


def latest_checkpoint() -> AuditCheckpoint | None:
    """Return the last signature over the chain."""
    return AuditCheckpoint.objects.order_by("-sequence").first()


def actions() -> list[str]:
    """Return the kinds of acts among the latest entries, for the filter."""
    recent = AuditEntry.objects.order_by("-sequence").values_list("action", flat=True)[:5000]
    return sorted(set(recent))

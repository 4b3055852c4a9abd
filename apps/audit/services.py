"""Write the audit trail: in the transaction of the act itself, chained per organization."""

import base64
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from apps.audit import rules
from apps.audit.models import AuditCheckpoint, AuditEntry, AuditHead
from apps.core.actors import Actor
from apps.core.middleware import request_id
from apps.core.tenancy import current_organization_id
from apps.core.times import rfc3339


def record(
    *,
    actor: Actor,
    action: str,
    target_kind: str,
    target_id: object,
    target_name: str,
    details: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry to the organization in scope; raises if no transaction holds the act itself.

    `details` is JSON: before and after of what changed, never a secret. Two writers of one organization take turns at
    its AuditHead row until the end of their transactions; organizations do not wait for each other.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("the audit entry belongs into the transaction of the act")
    head = _locked_head()
    entry = AuditEntry(
        organization_id=head.organization_id,
        sequence=head.sequence + 1,
        at=timezone.now(),
        actor_kind=actor.kind,
        actor_id=actor.id[:100],
        actor_name=actor.name[:300],
        action=action,
        target_kind=target_kind,
        target_id=str(target_id)[:200],
        target_name=target_name[:300],
        details=details or {},
        request_id=request_id.get(),
        previous_hash=head.hash,
    )
    fields = {name: getattr(entry, name) for name in rules.FIELDS}
    fields["organization_id"] = str(entry.organization_id)
    fields["at"] = rfc3339(entry.at)
    entry.hash = rules.entry_hash(fields)
    entry.save(force_insert=True)
    AuditHead.objects.filter(organization_id=head.organization_id).update(sequence=entry.sequence, hash=entry.hash)
    return entry


def sign_checkpoint() -> AuditCheckpoint | None:
    """Sign the chain of the organization in scope if it grew since the last checkpoint."""
    with transaction.atomic():
        head = _locked_head()
        if head.sequence == head.signed_sequence:
            return None
        key = rules.signing_key(settings.SECRET_KEY)
        message = rules.checkpoint_message(str(head.organization_id), head.sequence, head.hash)
        checkpoint = AuditCheckpoint(
            organization_id=head.organization_id,
            sequence=head.sequence,
            hash=head.hash,
            signed_at=timezone.now(),
            key_id=rules.key_id(rules.public_key_text(key)),
            signature=base64.b64encode(key.sign(message)).decode(),
        )
        checkpoint.save(force_insert=True)
        AuditHead.objects.filter(organization_id=head.organization_id).update(signed_sequence=head.sequence)
    return checkpoint


def _locked_head() -> AuditHead:
    organization_id = current_organization_id()
    head = AuditHead.objects.select_for_update().filter(organization_id=organization_id).first()
    if head is None:
        AuditHead.objects.bulk_create(
            [AuditHead(organization_id=organization_id, hash=rules.GENESIS)], ignore_conflicts=True
        )
        head = AuditHead.objects.select_for_update().get(organization_id=organization_id)
    return head

"""The audit trail: entries chained per organization, and signed checkpoints over the chain."""

from django.db import models

from apps.core.tenancy import TenantRow


class AuditEntry(TenantRow):
    """One consequential act: who did what to which object, when, and what changed."""

    pk = models.CompositePrimaryKey("organization_id", "sequence")
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=100)
    actor_name = models.CharField(max_length=300)
    action = models.CharField(max_length=100)
    target_kind = models.CharField(max_length=50)
    target_id = models.CharField(max_length=200)
    target_name = models.CharField(max_length=300)
    details = models.JSONField()
    request_id = models.CharField(max_length=128)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "-at"], name="auditentry_newest"),
            models.Index(fields=["organization_id", "target_kind", "target_id", "-at"], name="auditentry_target"),
        ]

    class Walls:
        app = "select, insert"
        append_only = True

    def __str__(self) -> str:
        return f"#{self.sequence} {self.actor_name} {self.action} {self.target_name}"


class AuditHead(TenantRow):
    """The end of an organization's chain; its row lock is what makes two writers of one organization take turns."""

    organization_id = models.UUIDField(primary_key=True)
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    signed_sequence = models.BigIntegerField(default=0)

    class Walls:
        app = "select, insert, update"
        # The sweep that signs checkpoints lists the chains that grew.
        everyone = "select"

    def __str__(self) -> str:
        return f"{self.organization_id} at {self.sequence}"


class AuditCheckpoint(TenantRow):
    """The installation's signature over the state of a chain."""

    pk = models.CompositePrimaryKey("organization_id", "sequence")
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=100)

    class Walls:
        app = "select, insert"
        append_only = True

    def __str__(self) -> str:
        return f"#{self.sequence} signed {self.signed_at:%Y-%m-%d %H:%M}"

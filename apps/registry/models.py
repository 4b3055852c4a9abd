"""Agents and their designs, prompts and their texts, and the answers that a repeated request gets again."""

from django.db import models
from django.urls import reverse
from django.utils import timezone

from apps.core.tenancy import TenantModel
from apps.registry.rules.statuses import CRITICALITIES, STATUSES


class Agent(TenantModel):
    """An agent. Name, purpose and owner follow its current design; status and environment do not."""

    slug = models.SlugField(max_length=100)
    name = models.CharField(max_length=200)
    purpose = models.TextField(blank=True)
    owner_team = models.CharField(max_length=200, blank=True)
    owner_person = models.ForeignKey(
        "organizations.Membership", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status = models.CharField(max_length=16, choices=list(STATUSES.items()), default="draft")
    status_reason = models.TextField(blank=True)
    status_changed_at = models.DateTimeField(default=timezone.now)
    environment = models.CharField(max_length=40, default="production")
    criticality = models.CharField(max_length=16, choices=list(CRITICALITIES.items()), default="medium")
    current_version = models.ForeignKey("AgentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    # Counts changes, so that two people (or programs) cannot overwrite each other unseen.
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="agent_slug_once"),
            models.CheckConstraint(condition=models.Q(status__in=list(STATUSES)), name="agent_status"),
            models.CheckConstraint(condition=models.Q(criticality__in=list(CRITICALITIES)), name="agent_criticality"),
        ]
        indexes = [models.Index(fields=["organization", "status"], name="agent_by_status")]

    class Walls:
        # Agents are retired, not deleted: what they did stays explained.
        app = "select, insert, update"

    def __str__(self) -> str:
        return self.name

    @property
    def etag(self) -> str:
        """Return what a client sends back in If-Match."""
        return f'"{self.revision}"'

    def get_absolute_url(self) -> str:
        """Return the address of the agent's overview."""
        return reverse("telemetry:agent_page", args=[self.organization.slug, self.slug])


class Immutable(TenantModel):
    """A version: who made it and when. The application may add rows and read them, nothing else."""

    content_hash = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by_kind = models.CharField(max_length=16)
    created_by_id = models.CharField(max_length=100)
    created_by_name = models.CharField(max_length=300)

    class Meta:
        abstract = True


class AgentVersion(Immutable):
    """A design as it stood: canonical document, its hash, and the text it was sent as."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    label = models.CharField(max_length=64)
    # Sorts versions of one agent: each is higher than those before it.
    number = models.PositiveIntegerField()
    document = models.JSONField()
    source = models.TextField(blank=True)
    restored_from = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "agent", "label"], name="agentversion_label_once"),
            models.UniqueConstraint(fields=["organization", "agent", "number"], name="agentversion_number_once"),
        ]

    class Walls:
        app = "select, insert"

    def __str__(self) -> str:
        return self.label

    @property
    def etag(self) -> str:
        """Return the hash of the document: it never changes."""
        return f'"{self.content_hash}"'


class Prompt(TenantModel):
    """A named prompt of an agent."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="prompts")
    slug = models.SlugField(max_length=100)
    name = models.CharField(max_length=200)
    current_version = models.ForeignKey("PromptVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "agent", "slug"], name="prompt_slug_once")]

    class Walls:
        app = "select, insert, update"

    def __str__(self) -> str:
        return self.name

    @property
    def etag(self) -> str:
        """Return what a client sends back in If-Match."""
        return f'"{self.revision}"'


class PromptVersion(Immutable):
    """A prompt's text as it stood."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    restored_from = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "prompt", "number"], name="promptversion_number_once")
        ]

    class Walls:
        app = "select, insert"

    def __str__(self) -> str:
        return f"v{self.number}"


class IdempotencyRecord(TenantModel):
    """The answer to a POST that named an Idempotency-Key, for whoever sends the same request again."""

    credential_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "credential_id", "key"], name="idempotencyrecord_key_once")
        ]
        indexes = [models.Index(fields=["organization", "expires_at"], name="idempotencyrecord_expiry")]

    class Walls:
        app = "select, insert, delete"

    def __str__(self) -> str:
        return self.key

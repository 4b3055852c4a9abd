"""Organizations, people, their roles, invitations and API keys."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from apps.core.ids import uuid7
from apps.core.tenancy import TenantModel
from apps.organizations.rules import ROLES, SCOPES


class Organization(models.Model):
    """A tenant: everything else belongs to exactly one of these."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    first_steps_done_at = models.DateTimeField(null=True, blank=True)

    class Walls:
        key = "id"
        app = "select, update"
        everyone = "select, insert"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the organization's overview."""
        return reverse("home:home_page", args=[self.slug])


class UserManager(BaseUserManager["User"]):
    """Creates people; the e-mail address is the name they sign in with."""

    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        """Store a person; without a password only single sign-on or a reset link lets them in."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password) if password else user.set_unusable_password()
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person of the installation; memberships tie them to organizations."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Walls:
        # Inside an organization a person is visible if they are its member; the table of memberships has a wall too.
        visible = "id IN (SELECT user_id FROM organizations_membership)"
        app = "select"
        everyone = "select, insert, update, delete"

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def initials(self) -> str:
        """Return up to two letters that stand for the person in lists."""
        words = (self.name or self.email.partition("@")[0].replace(".", " ")).split()
        return "".join(word[0] for word in words[:1] + words[1:][-1:]).upper()


class Membership(TenantModel):
    """A person's role in one organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=list(ROLES.items()))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=list(ROLES)), name="membership_role"),
        ]
        indexes = [models.Index(fields=["user"], name="membership_user")]

    class Walls:
        everyone = "select, insert"

    def __str__(self) -> str:
        return f"{self.user_id} as {self.role}"


class Invitation(TenantModel):
    """A role offered to an e-mail address, until it is accepted, revoked or expired."""

    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=list(ROLES.items()))
    digest = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # Empty until the mail has left.
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
            ),
            models.CheckConstraint(condition=models.Q(role__in=list(ROLES)), name="invitation_role"),
        ]

    class Walls:
        everyone = "select, update"

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class ApiKey(TenantModel):
    """A program's credential; the key itself is shown once and never stored."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=16, choices=list(SCOPES.items())))
    # A key bound to an agent: whatever it sends is that agent's, whichever name the telemetry carries.
    agent_slug = models.SlugField(max_length=100, null=True, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at"], name="apikey_newest")]

    class Walls:
        # The key names the organization, so it is looked up before any organization is in scope.
        everyone = "select, update"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

"""The cast of every test: acme with its people and an agent, globex with mallory, who must always get 404."""

from dataclasses import dataclass, field

from django.test import Client

from apps.core.tenancy import everyone, scope
from apps.organizations.models import ApiKey, Membership, Organization, User
from apps.organizations.rules import SCOPES, new_key

CAST = {
    "ada": "owner",
    "adam": "admin",
    "max": "manager",
    "rita": "reviewer",
    "bo": "board",
    "otto": "auditor",
    "vic": "viewer",
}
PASSWORD = "correct horse battery"


@dataclass
class World:
    """Two organizations, their people by first name, and an API key of each with every scope."""

    acme: Organization
    globex: Organization
    people: dict[str, User] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> User:
        try:
            return self.__dict__["people"][name]
        except KeyError:
            raise AttributeError(name) from None

    def client(self, name: str) -> Client:
        """Return a browser in which the person is signed in."""
        client = Client()
        with everyone(reason="a person signs in before any organization is in scope"):
            client.force_login(self.people[name])
        return client

    def api(self, organization: str = "acme") -> Client:
        """Return a program that sends the organization's key."""
        return Client(headers={"Authorization": f"Bearer {self.keys[organization]}"})

    def acme_scope(self):
        """Enter acme."""
        return scope(self.acme.id)

    def globex_scope(self):
        """Enter globex."""
        return scope(self.globex.id)


def build_world() -> World:
    """Create the cast."""
    with everyone(reason="tests set up two organizations"):
        world = World(
            acme=Organization.objects.create(slug="acme", name="Acme Travel"),
            globex=Organization.objects.create(slug="globex", name="Globex"),
        )
        for name in [*CAST, "mallory"]:
            # An unusable password costs nothing to hash; tests of sign-in set one.
            world.people[name] = User.objects.create_user(f"{name}@example.com", name=name.capitalize())
    with world.acme_scope():
        for name, role in CAST.items():
            Membership.objects.create(organization=world.acme, user=world.people[name], role=role)
        world.keys["acme"] = _key(world.acme)
    with world.globex_scope():
        Membership.objects.create(organization=world.globex, user=world.people["mallory"], role="owner")
        world.keys["globex"] = _key(world.globex)
    return world


def _key(organization: Organization) -> str:
    key, prefix, digest = new_key()
    ApiKey.objects.create(organization=organization, name="test key", prefix=prefix, digest=digest, scopes=list(SCOPES))
    return key

"""Who acts: a person, an API key, an agent or the product itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """The named actor of a consequential act, as the audit trail keeps it (the name survives the person)."""

    kind: str  # person | key | agent | system
    id: str
    name: str


SYSTEM = Actor("system", "system", "AgentOps")

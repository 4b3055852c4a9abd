"""The sidebar as data: groups of entries in their order. A new page of an app is a new line here."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A link of the sidebar: shown to roles with `permission`, current where the address begins with its own."""

    text: str
    icon: str
    url_name: str
    permission: str
    go: str = ""


NAVIGATION: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("", (Entry("Overview", "home", "home:home_page", "organization.view", "o"),)),
    (
        "Fleet",
        (
            Entry("Agents", "agent", "telemetry:agent_list", "agents.view", "a"),
            Entry("Traces", "trace", "telemetry:task_list", "telemetry.view", "t"),
        ),
    ),
    ("Control", (Entry("Audit trail", "log", "audit:entry_list", "audit.view", "u"),)),
    (
        "",
        (
            Entry("First steps", "book", "organizations:first_steps", "organization.view"),
            Entry("Settings", "sliders", "organizations:settings_page", "organization.view"),
        ),
    ),
)

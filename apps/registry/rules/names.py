"""Names of agents and versions: slugs and semantic versions."""

import re
import unicodedata
from typing import NamedTuple

LONGEST_SLUG = 100
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# Words that stand in the same place of an address.
RESERVED_SLUGS = frozenset({"register", "new", "prompts", "compare"})

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SEMANTIC = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
LONGEST_VERSION = 64


def slug_of(name: str) -> str:
    """Return the slug that a name suggests ("" where nothing of it can stand in one).

    >>> slug_of("Support Agent (v2)")
    'support-agent-v2'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:LONGEST_SLUG].strip("-")


def is_slug(text: str) -> bool:
    """Tell whether a text can name an agent in addresses and telemetry."""
    return len(text) <= LONGEST_SLUG and SLUG.fullmatch(text) is not None and text not in RESERVED_SLUGS


class Version(NamedTuple):
    """A semantic version (2.0.0 of the specification); build metadata does not count in comparisons."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = ""

    def precedence(self) -> tuple:
        """Return what sorts versions: a pre-release comes before its release, numbers before words."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, parts)

    def __lt__(self, other: tuple) -> bool:
        """Compare by precedence."""
        return self.precedence() < other.precedence() if isinstance(other, Version) else NotImplemented

    def __le__(self, other: tuple) -> bool:
        """Compare by precedence."""
        return self.precedence() <= other.precedence() if isinstance(other, Version) else NotImplemented

    def __gt__(self, other: tuple) -> bool:
        """Compare by precedence."""
        return self.precedence() > other.precedence() if isinstance(other, Version) else NotImplemented

    def __ge__(self, other: tuple) -> bool:
        """Compare by precedence."""
        return self.precedence() >= other.precedence() if isinstance(other, Version) else NotImplemented


def read_version(text: str) -> Version | None:
    """Return the semantic version that a text states, None if it states none."""
    found = _SEMANTIC.fullmatch(text) if len(text) <= LONGEST_VERSION else None
    if found is None:
        return None
    major, minor, patch, pre, build = found.groups()
    return Version(int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else (), build or "")


def next_version(highest: str | None, *, step: str = "patch") -> str:
    """Return the label after `highest`: the next patch, minor or major version; 0.1.0 if there is none yet.

    The release of a pre-release is its own next patch (1.2.0-rc.1 → 1.2.0).
    """
    version = read_version(highest) if highest else None
    if version is None:
        return "0.1.0"
    if version.pre:
        return f"{version.major}.{version.minor}.{version.patch}"
    if step == "major":
        return f"{version.major + 1}.0.0"
    if step == "minor":
        return f"{version.major}.{version.minor + 1}.0"
    return f"{version.major}.{version.minor}.{version.patch + 1}"


def may_follow(label: str, labels: list[str]) -> bool:
    """Tell whether a version label may be added: it must be higher than every version that exists."""
    wanted = read_version(label)
    known = [version for version in map(read_version, labels) if version is not None]
    return wanted is not None and all(wanted > version for version in known)

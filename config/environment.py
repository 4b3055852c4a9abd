"""Read settings from the environment; refuse values that cannot be meant."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """Return the variable, or the content of the file that `<name>_FILE` names (secrets mounted as files)."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE points to {path}, which cannot be read: {error.strerror}"
            ) from error
    return os.environ.get(name, default)


def flag(name: str, *, default: bool) -> bool:
    """Return a yes/no variable; anything but the usual words is an error."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: write 1 or 0")


def number(name: str, default: int, *, least: int = 0) -> int:
    """Return a whole number of at least `least`."""
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        result = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number") from error
    if result < least:
        raise ImproperlyConfigured(f"{name} is {result}: write {least} or more")
    return result


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]

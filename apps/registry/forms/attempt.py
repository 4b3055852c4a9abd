"""Carry out what a form asks for, and tell a refusal in the form."""

from collections.abc import Callable
from typing import Any

from apps.core.errors import DomainError, Stale


def attempt(form: Any, act: Callable[[], Any], *, tells_stale: bool = True) -> Any:
    """Return what `act` returns; a refusal is told at the field it names and gives None.

    With `tells_stale=False` a change made against an old state is raised, for a page that shows both states.
    """
    try:
        return act()
    except DomainError as error:
        if isinstance(error, Stale) and not tells_stale:
            raise
        field = (error.field or "").replace(".", "_")
        form.add_error(field if field in form.fields else None, error.message)
        return None

"""Sessions in the database, reached only through the role that may look at people (core.tenancy.everyone)."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from apps.core.tenancy import everyone

REASON = "a session is found by its unguessable key, before any organization is known"


class SessionStore(DatabaseStore):
    """The table of sessions is closed to the application role; each access steps over to the other one."""

    def load(self):
        """Return the session's data."""
        with everyone(reason=REASON):
            return super().load()

    def exists(self, session_key):
        """Tell whether the key is taken."""
        with everyone(reason=REASON):
            return super().exists(session_key)

    def save(self, must_create=False):
        """Store the session."""
        with everyone(reason=REASON):
            return super().save(must_create)

    def delete(self, session_key=None):
        """Forget the session."""
        with everyone(reason=REASON):
            return super().delete(session_key)

    @classmethod
    def clear_expired(cls):
        """Forget what has expired."""
        with everyone(reason=REASON):
            return super().clear_expired()

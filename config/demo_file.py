"""var/demo.json: the demo's address, keys and logins, there for as long as somebody answers at that address."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class DemoFile:
    """The public file at `path`; while nothing is served its content rests in a hidden one beside it."""

    path: Path

    @property
    def kept(self) -> Path:
        """Return the hidden file, where `manage.py load_demo` writes what it made."""
        return self.path.with_name(".demo-credentials.json")

    @property
    def exists(self) -> bool:
        """Tell whether the demo was loaded before."""
        return self.kept.exists()

    @property
    def is_shown(self) -> bool:
        """Tell whether somebody serves, or was killed while serving."""
        return self.path.exists()

    def hide(self) -> None:
        """Take the public file away: nobody answers (any more)."""
        self.path.unlink(missing_ok=True)

    def show(self, url: str) -> None:
        """Publish the credentials with the address that answers now."""
        if not self.kept.exists():
            return
        content = {"url": url, **json.loads(self.kept.read_text())}
        fresh = self.path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(content, indent=2) + "\n")
        os.replace(fresh, self.path)

    def login(self) -> tuple[str, str] | None:
        """Return the owner's address and password."""
        if not self.path.exists():
            return None
        owner = json.loads(self.path.read_text())["users"]["owner"]
        return owner["email"], owner["password"]

"""A served installation for benchmarks: its own database, web processes and worker, ended with the program."""

import os
import secrets
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import django

from config.embedded import Server, start_postgres, start_valkey
from config.serve import command_of


class Installation:
    """Start with `with Installation() as served:`; `served.key` is an API key of the organization `bench`."""

    def __init__(self, *, worker: bool = True) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="agentops-bench-", ignore_cleanup_errors=True)
        self.home = Path(self.folder.name)
        self.port = 20_000 + secrets.randbelow(20_000)
        self.url = f"http://127.0.0.1:{self.port}"
        self.has_worker = worker
        self.servers: list[Server] = []
        self.children: list[subprocess.Popen] = []

    def __enter__(self) -> "Installation":
        postgres = start_postgres(self.home)
        valkey = start_valkey(self.home)
        self.servers = [postgres, valkey]
        os.environ |= {
            "AGENTOPS_EMBEDDED": "1",
            "AGENTOPS_HOME": str(self.home),
            "SECRET_KEY": secrets.token_hex(40),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        django.setup()
        self._manage("prepare_database")
        self._manage("collectstatic", "--noinput")
        self.organization_id, self.key = _organization()
        for name in ("web", "worker", "beat") if self.has_worker else ("web",):
            self.children.append(
                subprocess.Popen(command_of(name), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return self
        raise RuntimeError("the web server does not answer")

    def __exit__(self, *exception: object) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait(30)
        for server in reversed(self.servers):
            server.stop()
        self.folder.cleanup()

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [command_of("prepare")[0], "manage.py", *arguments, "--verbosity", "0"],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def web_memory_mb(self) -> float:
        """Return the resident memory of all web processes together (shared pages counted once per process: PSS)."""
        total = 0
        pids = [self.children[0].pid]
        pids += [
            int(pid)
            for pid in subprocess.run(
                ["pgrep", "-P", str(self.children[0].pid)], capture_output=True, text=True, check=False
            ).stdout.split()
        ]
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024


def _organization() -> tuple[object, str]:
    from apps.core.actors import SYSTEM
    from apps.core.tenancy import everyone, scope
    from apps.organizations.models import User
    from apps.organizations.services import create_key, create_organization

    with everyone(reason="a benchmark needs an organization"):
        user = User.objects.create_user("bench@example.com")
    organization = create_organization(actor=SYSTEM, user=user, name="Bench", slug="bench")
    with scope(organization.id):
        _, key = create_key(actor=SYSTEM, creator=user, name="bench", scopes=["ingest", "read", "write"])
    return organization.id, key

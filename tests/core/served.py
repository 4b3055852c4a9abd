"""The whole product as its operator starts it: a supervisor in a folder of its own, ended with the test."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent.parent
CLEARED = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "AGENTOPS_EMBEDDED",
    "PORT",
    "HOST",
    "PUBLIC_URL",
)


class Product:
    """`python -m config.serve` without the demo."""

    def __init__(self, home: Path, port: int | None = None, log: Path | None = None) -> None:
        self.home = home
        self.port = port or 20_000 + secrets.randbelow(20_000)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log or home.parent / f"{home.name}.log"
        environment = {key: value for key, value in os.environ.items() if key not in CLEARED}
        environment |= {"AGENTOPS_HOME": str(home), "PORT": str(self.port), "DEMO": "0", "PYTHONUNBUFFERED": "1"}
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.serve"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 90) -> None:
        """Return once everything answers; raise with the log if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"ended early:\n{self.log.read_text()[-3000:]}")
            if self.is_ready():
                return
            time.sleep(0.1)
        raise AssertionError(f"not ready in {seconds} s:\n{self.log.read_text()[-3000:]}")

    def is_ready(self) -> bool:
        """Tell whether database, broker and migrations are there."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=3) as answer:
                return json.load(answer)["ready"]
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def pid_of(self, words: str) -> int:
        """Return the child of the supervisor whose command line has these words."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if words in command and parent == self.process.pid:
                return int(entry.name)
        raise AssertionError(f"no child runs {words}")

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        """End the supervisor and wait for it."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(60)

    def sql(self, statement: str, *values: object) -> list[tuple]:
        """Ask the database as its owner."""
        with psycopg.connect(f"postgresql://postgres@/agentops?host={self.socket_folder()}", autocommit=True) as found:
            cursor = found.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def socket_folder(self) -> str:
        """Return where the embedded server's socket is."""
        return (self.home / "postgres" / "postmaster.pid").read_text().splitlines()[4]

    def manage(self, *arguments: str) -> str:
        """Run a management command against this installation."""
        environment = {key: value for key, value in os.environ.items() if key not in CLEARED}
        environment |= {
            "AGENTOPS_HOME": str(self.home),
            "AGENTOPS_EMBEDDED": "1",
            "SECRET_KEY_FILE": str(self.home / "secret_key"),
            "DATABASE_URL": f"postgresql://postgres@/agentops?host={self.socket_folder()}",
        }
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

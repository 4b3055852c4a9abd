"""One supervisor in the foreground: databases, web, worker and beat, with their logs interleaved.

usage: python -m config.serve            everything (what `make run` starts)
       python -m config.serve web|worker|beat|prepare    one process, for an installation that supervises its own
"""

import errno
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from config.children import Child, Log, end_group
from config.demo_file import DemoFile
from config.embedded import (
    EmbeddedError,
    Server,
    await_postgres,
    die_with_parent,
    launch_postgres,
    start_valkey,
)

ROOT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 15.0


def home_folder() -> Path:
    """Return the folder of everything that this installation keeps (AGENTOPS_HOME, default var/)."""
    return Path(os.environ.get("AGENTOPS_HOME", ROOT / "var")).resolve()


def command_of(name: str) -> list[str]:
    """Return the command line of one process; the same here and in docker-compose.yml."""
    home = home_folder()
    port = os.environ.get("PORT", "8000")
    host = os.environ.get("HOST", "127.0.0.1")
    workers = os.environ.get("WEB_WORKERS", "2")
    threads = os.environ.get("WEB_THREADS", "4")
    python = sys.executable
    commands = {
        "web": [
            *(python, "-m", "granian", "config.wsgi:application", "--interface", "wsgi"),
            *("--host", host, "--port", port, "--workers", workers, "--blocking-threads", threads),
            *("--http", "1", "--no-ws", "--respawn-failed-workers", "--no-access-log", "--log-level", "warning"),
            # A worker that does not end in time must not hold the port for ever.
            *("--workers-kill-timeout", "10"),
        ],
        # The worker yields to the web processes: folding a second later harms nobody, a slow answer does.
        "worker": [
            *((nice, "-n", "10") if (nice := shutil.which("nice")) else ()),
            # As root (a container, a fresh machine) Celery warns at every start; the queue carries no pickles.
            *(python, "-W", "ignore:You're running the worker with superuser privileges", "-m", "celery", "--quiet"),
            *("-A", "config.celery", "worker", "--concurrency", "1", "--pool", "prefork"),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ],
        "beat": [
            *(python, "-m", "celery", "--quiet", "-A", "config.celery", "beat", "--loglevel", "WARNING"),
            *("--schedule", str(home / "beat-schedule"), "--pidfile="),
        ],
        "prepare": [python, "manage.py", "prepare_database", "--verbosity", "0"],
    }
    return commands[name]


class Ended(Exception):
    """The wish to end came before everything had started."""


class Supervisor:
    """Starts everything in order, keeps it running, ends it in the reverse order."""

    def __init__(self) -> None:
        self.home = home_folder()
        self.port = os.environ.setdefault("PORT", "8000")
        self.host = os.environ.get("HOST", "127.0.0.1")
        self.url = os.environ.setdefault("PUBLIC_URL", f"http://localhost:{self.port}")
        self.log = Log()
        self.children: list[Child] = []
        self.is_ending = False
        self.demo = DemoFile(self.home / "demo.json")

    def run(self) -> int:
        """Serve until a signal asks to end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        # nohup asks to outlive the terminal.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._end)
        try:
            self._check_surroundings()
            began = time.monotonic()
            self._prepare()
            self._serve()
            self._greet(time.monotonic() - began)
            while not self.is_ending:
                self._tend(0.25)
        except Ended:
            return 0
        except EmbeddedError as error:
            self.log.say(str(error))
            return 1
        finally:
            self._stop()
        return 0

    def _end(self, number: int, frame: object) -> None:
        self.is_ending = True

    def _tend(self, seconds: float) -> None:
        """Print what the children say for `seconds` at most and start again what died."""
        self.log.pump(seconds)
        for child in self.children:
            child.tend(self.log)

    def _pause(self, seconds: float) -> None:
        """Wait for something to start; the wish to end is heard meanwhile."""
        self.log.pump(seconds)
        if self.is_ending:
            raise Ended

    def _check_surroundings(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            probe = self.home / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EmbeddedError(f"Cannot write to {self.home} ({error.strerror}): set AGENTOPS_HOME.") from error
        self._lock = (self.home / "serve.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedError(f"AgentOps already runs with its data in {self.home}.") from error
        if not self.port.isdigit() or not 0 < int(self.port) < 65536:
            raise EmbeddedError(f"PORT is {self.port!r}: write a number from 1 to 65535.")
        # A run that was killed a moment ago may not have let go of it yet.
        deadline = time.monotonic() + (15 if self.demo.is_shown else 3)
        while problem := port_problem(self.host, int(self.port)):
            if time.monotonic() > deadline:
                raise EmbeddedError(problem)
            time.sleep(0.2)
        # Left from a run that was killed: nobody answers at its address now.
        self.demo.hide()

    def _prepare(self) -> None:
        environment = os.environ
        if not environment.get("SECRET_KEY") and not environment.get("SECRET_KEY_FILE"):
            environment["SECRET_KEY_FILE"] = str(self._secret_key())
        if not environment.get("DATABASE_URL"):
            self.log.say("starting PostgreSQL")
            environment["AGENTOPS_EMBEDDED"] = "1"
            server = launch_postgres(self.home, output=subprocess.PIPE)
            self._keep("postgres", server, "DATABASE_URL")
            await_postgres(server, self._pause)
        if not environment.get("REDIS_URL"):
            self.log.say("starting Valkey")
            self._keep("valkey", start_valkey(self.home, output=subprocess.PIPE), "REDIS_URL")
        self.log.say("preparing the database and the static files")
        static = self._begin("collectstatic", "--noinput", "--verbosity", "0")
        self._manage("prepare_database", "--verbosity", "0")
        self._finish(static, "collectstatic")

    def _serve(self) -> None:
        for name in ("web", "worker", "beat"):
            self.log.say(f"starting {name}")
            child = self._child(name)
            self.children.append(child)
            self.log.follow(name, child.process)
        deadline = time.monotonic() + 60
        while not self._answers():
            self._tend(0.1)
            if self.is_ending:
                raise Ended
            if time.monotonic() > deadline:
                raise EmbeddedError("The web server does not answer; the lines above say why.")
        if os.environ.get("DEMO", "1") != "0":
            if not self.demo.exists:
                self.log.say("loading the demo organization (generated by the product, a minute at most)")
            self._manage("load_demo", "--credentials", str(self.demo.kept))
            self.demo.show(self.url)

    def _child(self, name: str) -> Child:
        def start() -> subprocess.Popen:
            return subprocess.Popen(
                command_of(name),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

        return Child(name, start, start())

    def _keep(self, name: str, server: Server, variable: str) -> None:
        os.environ[variable] = server.url

        def start() -> subprocess.Popen:
            assert server.start_again is not None
            return server.start_again().process

        self.children.append(Child(name, start, server.process, end_signal=server.end_signal))
        self.log.follow(name, server.process)

    def _manage(self, *arguments: str) -> None:
        self._finish(self._begin(*arguments), arguments[0])

    def _begin(self, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        self.log.follow("agentops", process)
        return process

    def _finish(self, process: subprocess.Popen, name: str) -> None:
        while process.poll() is None:
            self._tend(0.1)
            if self.is_ending:
                process.kill()
                process.wait()
                raise Ended
        self.log.pump(0)
        if process.returncode:
            raise EmbeddedError(f"`manage.py {name}` failed (exit {process.returncode}); the lines above say why.")

    def _secret_key(self) -> Path:
        path = self.home / "secret_key"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, secrets.token_urlsafe(64).encode())
            os.close(descriptor)
        return path

    def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        try:
            with urllib.request.urlopen(f"http://{host}:{self.port}/healthz", timeout=2) as response:
                return response.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def _greet(self, seconds: float) -> None:
        self.log.say(f"ready after {seconds:.0f} s: {self.url}")
        if login := self.demo.login():
            self.log.say(f"sign in as {login[0]} with {login[1]} (all logins: {self.demo.path})")
        self.log.say("Ctrl-C ends it; the data stay")

    def _stop(self) -> None:
        """End the children, the last started first; the databases go when nobody needs them any more."""
        if self.children:
            self.demo.hide()
        order = [child for child in reversed(self.children) if child.name not in ("postgres", "valkey")]
        databases = [child for child in reversed(self.children) if child.name in ("postgres", "valkey")]
        for group in (order, databases):
            running = [child for child in group if child.process.poll() is None]
            for child in running:
                child.process.send_signal(child.end_signal)
            deadline = time.monotonic() + GRACE_SECONDS
            while any(child.process.poll() is None for child in running) and time.monotonic() < deadline:
                self.log.pump(0.05)
            for child in running:
                if child.process.poll() is None:
                    child.process.kill()
                    child.process.wait()
                end_group(child.process.pid)
        if self.children:
            self.log.say("ended; the data stay in " + str(self.home))


def port_problem(host: str, port: int) -> str:
    """Return a sentence that says why nobody can listen there, or nothing."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return f"HOST is {host!r}, which is no address of this machine."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is in use: start with another, PORT={8001 if port != 8001 else 8002} make run."
        return f"Cannot listen on {host}, port {port} ({error.strerror}): set HOST and PORT."
    return ""


def main() -> int:
    """Run the supervisor, or become one of its processes."""
    if len(sys.argv) == 1:
        return Supervisor().run()
    name = sys.argv[1]
    if name not in ("web", "worker", "beat", "prepare"):
        print(f"agentops: unknown process {name!r}: use web, worker, beat or prepare", file=sys.stderr)
        return 1
    command = command_of(name)
    if name == "web":
        subprocess.run([sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"], check=True)
    os.execv(shutil.which(command[0]) or command[0], command)
    return 0


if __name__ == "__main__":
    sys.exit(main())

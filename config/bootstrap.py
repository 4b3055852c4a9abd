"""From a fresh clone to a running process with nothing but Python: environment, packages, browser, then the command.

usage: python3 config/bootstrap.py run | test [pytest arguments] | check | bench | lock
Standard library only; any Python from 3.8 on can start it, and gets one sentence if it is not the right one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
OLDEST = (3, 12)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main():
    """Prepare what the command needs and run it."""
    command = sys.argv[1] if len(sys.argv) > 1 else "run"
    rest = sys.argv[2:]
    commands = {"run": run, "test": test, "check": check, "bench": bench}
    if command not in commands:
        stop("unknown command {!r}: use one of {}".format(command, ", ".join(commands)))
    os.chdir(ROOT)
    sys.exit(commands[command](rest))


def run(rest):
    """Install what the product needs and hand over to the supervisor."""
    install("config/requirements.lock")
    os.execv(str(PYTHON), [str(PYTHON), "-m", "config.serve", *rest])


def test(rest):
    """Install the tools too, find a browser, run the tests."""
    install("config/requirements-dev.lock")
    environment = dict(os.environ, CHROMIUM=browser())
    arguments = rest or ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadgroup"]
    return subprocess.call([str(PYTHON), "-m", "pytest", *arguments], env=environment)


def check(rest):
    """Run every static check; all of them, so that one run tells everything."""
    install("config/requirements-dev.lock")
    trial = dict(
        os.environ,
        AGENTOPS_EMBEDDED="1",
        SECRET_KEY="static checks only " * 4,
        DATABASE_URL="postgresql://nobody@/none?host=/nowhere",
    )
    production = dict(
        trial,
        AGENTOPS_EMBEDDED="0",
        ALLOWED_HOSTS="agentops.example",
        PUBLIC_URL="https://agentops.example",
        EMAIL_URL="smtp://agentops:secret@mail.example:587",
        SECRET_KEY=hashlib.sha512(b"deploy check").hexdigest() + "-_",
    )
    steps = [
        ("format", [str(PYTHON), "-m", "ruff", "format", "--check", "."], trial),
        ("lint", [str(PYTHON), "-m", "ruff", "check", "."], trial),
        ("types", [str(PYTHON), "-m", "mypy"], trial),
        ("imports", [str(ENVIRONMENT / "bin" / "lint-imports")], trial),
        ("migrations", [str(PYTHON), "-W", "ignore", "manage.py", "makemigrations", "--check", "--dry-run"], trial),
        ("deploy", [str(PYTHON), "manage.py", "check", "--deploy", "--fail-level", "WARNING"], production),
    ]
    failed = []
    for name, arguments, environment in steps:
        say("check: " + name)
        if subprocess.call(arguments, env=environment):
            failed.append(name)
    say("check: failed: " + ", ".join(failed) if failed else "check: all passed")
    return 1 if failed else 0


def bench(rest):
    """Run the benchmark programs (all, or those named)."""
    install("config/requirements-dev.lock")
    programs = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))
    programs = [path for path in programs if path.name != "__init__.py" and (not rest or path.stem in rest)]
    results = []
    for path in programs:
        say("bench: " + path.stem)
        results.append(subprocess.call([str(PYTHON), "-m", "tests.benchmarks." + path.stem]))
    return max(results, default=0)


def install(lock):
    """Create the environment and install a lock file's packages, unless that was done for this very lock."""
    interpreter = suitable_python()
    # The tools' lock contains the product's, so an environment made for tests also runs.
    wanted = {name: digest(ROOT / name) for name in ("config/requirements.lock", "config/requirements-dev.lock")}
    mark = ENVIRONMENT / "installed"
    have = mark.read_text().split() if mark.exists() else []
    if PYTHON.exists() and (wanted[lock] in have or wanted["config/requirements-dev.lock"] in have):
        return
    if not PYTHON.exists():
        say("creating the environment in .venv")
        try:
            subprocess.check_call([interpreter, "-m", "venv", str(ENVIRONMENT)])
        except (OSError, subprocess.CalledProcessError):
            stop(f"cannot create {ENVIRONMENT}: is the folder writable, and is the venv module installed?")
    say(f"installing packages from {lock} (a minute at most with a warm cache)")
    arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
    if subprocess.call([str(PYTHON), *arguments, "-r", lock]):
        stop("the packages could not be installed: the lines above say which one")
    mark.write_text(wanted[lock] + "\n")


def suitable_python():
    """Return an interpreter that is new enough: this one, or another on this machine."""
    if sys.version_info >= OLDEST:
        return sys.executable
    candidates = [shutil.which(name) for name in ("python3.13", "python3.12", "python3.14")]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path) for path in sorted(versions.glob("3.1[2-9]*/bin/python3"), reverse=True)]
    for candidate in candidates:
        if candidate and works(candidate):
            return candidate
    stop("Python {}.{} is too old: install Python 3.12 or newer".format(*sys.version_info[:2]))
    return ""


def works(interpreter):
    """Tell whether an interpreter really starts (a version manager's stand-in may not) and is new enough."""
    program = "import sys, venv; sys.exit(sys.version_info < (3, 12))"
    return subprocess.call([interpreter, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def browser():
    """Return a Chromium for the browser tests: the system's, else Debian's package, else Playwright's download."""
    for name in [os.environ.get("CHROMIUM", ""), *BROWSERS]:
        if name and shutil.which(name):
            return shutil.which(name)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Chromium for the browser tests")
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.call(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL)
        subprocess.call(["apt-get", "install", "-y", "-qq", "chromium"], env=quiet, stdout=subprocess.DEVNULL)
        if shutil.which("chromium"):
            return shutil.which("chromium")
    say("downloading a browser for the browser tests")
    if subprocess.call([str(PYTHON), "-m", "playwright", "install", "chromium"]):
        stop("no browser for the tests: install Chromium, or set CHROMIUM to the path of one")
    return ""


def digest(path):
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(text):
    """Print one line of progress at once."""
    print(text, flush=True)


def stop(sentence):
    """End with one clear sentence."""
    print("agentops: " + sentence, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()

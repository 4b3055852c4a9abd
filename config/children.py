"""The supervisor's children: started again when they die, their output interleaved line by line."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from config.embedded import EmbeddedError

# Said at every start; true, and nothing to worry about here (nothing is saved in the background).
HARMLESS = ("Memory overcommit must be enabled",)
COLOURS = {"web": 36, "worker": 33, "beat": 35, "postgres": 34, "valkey": 32, "agentops": 1}


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
        # A terminal that was closed, a pipe that nobody reads: no reason to end anything.
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{label} {text}\n")
            sys.stdout.flush()

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
                text = line.decode(errors="replace").rstrip()
                if text and not any(words in text for words in HARMLESS):
                    self.say(text, name)

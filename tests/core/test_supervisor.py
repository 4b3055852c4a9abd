"""The run command as an operator meets it: one command, clean end, kept data, and healing after every kind of death."""

import os
import signal
import socket
import time

import pytest

from tests.core.served import Product

pytestmark = pytest.mark.xdist_group("served")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "var"


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not heal in time"
        time.sleep(0.1)


def test_it_serves_heals_and_keeps_its_data(home):
    product = Product(home)
    try:
        product.wait_ready()
        assert not (home / "demo.json").exists(), "DEMO=0 loads no demo"
        product.sql("CREATE TABLE kept (value text)")
        product.sql("INSERT INTO kept VALUES ('still here')")
        for words in ("bin/postgres", "valkey-server", "config.wsgi", "config.celery worker"):
            pid = product.pid_of(words)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}") or "Z" in _state(pid))
            wait_for(product.is_ready)
        assert "starting it again" in product.log.read_text()
    finally:
        assert product.stop() == 0
    assert "ended; the data stay" in product.log.read_text()
    again = Product(home, product.port)
    try:
        again.wait_ready()
        assert again.sql("SELECT value FROM kept") == [("still here",)]
        second = Product(home)
        assert second.process.wait(30) == 1
        assert "already runs" in second.log.read_text()
        # The supervisor dies without a word: its children follow, the next start heals.
        postgres = again.pid_of("bin/postgres")
        again.stop(signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{postgres}"))
    finally:
        again.stop()
    third = Product(home, product.port)
    try:
        third.wait_ready()
        assert third.sql("SELECT value FROM kept") == [("still here",)]
    finally:
        third.stop()


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_port_in_use_is_one_sentence(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        product = Product(home, taken.getsockname()[1])
        assert product.process.wait(30) == 1
    assert product.log.read_text().strip().endswith("start with another, PORT=8001 make run.")
    assert "Traceback" not in product.log.read_text()


def test_an_unwritable_home_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    product = Product(tmp_path / "file" / "var", log=tmp_path / "serve.log")
    assert product.process.wait(30) == 1
    assert "set AGENTOPS_HOME" in product.log.read_text()
    assert "Traceback" not in product.log.read_text()


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_a_port_that_is_none_is_refused(home, port):
    product = Product(home, port)  # type: ignore[arg-type]
    assert product.process.wait(30) == 1
    assert "write a number from 1 to 65535" in product.log.read_text()

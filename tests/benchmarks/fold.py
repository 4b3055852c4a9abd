"""What folding and rolling up cost, as a share of what storing the same spans costs in the same run.

    python -m tests.benchmarks.fold [--spans 40000] [--per-trace 20] [--batch 500] [--profile]

Spans of agent runs are stored in batches as ingest stores them (priced, redacted, COPY, default durability), then
folded and rolled up as a worker does, one process and one connection each. Cost is the processor time of this process
and of PostgreSQL together, so that a busy machine does not distort it. Then readers are timed on the result.
"""

import argparse
import cProfile
import os
import pstats
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ["AGENTOPS_EMBEDDED"] = "1"
os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))

import django

from config.embedded import start_postgres


def main() -> None:
    """Start a server of its own, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=40_000)
    parser.add_argument("--per-trace", type=int, default=20)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentops-bench-", ignore_cleanup_errors=True) as home:
        server = start_postgres(Path(home))
        os.environ["DATABASE_URL"], os.environ["AGENTOPS_HOME"] = server.url, home
        try:
            django.setup()
            measure(options, server.process.pid)
        finally:
            server.stop()


def measure(options: argparse.Namespace, server_pid: int) -> None:
    """Store, fold, roll up, read; print seconds and ratios."""
    from django.core.management import call_command

    from apps.core.tenancy import everyone, scope
    from apps.organizations.models import Organization
    from apps.telemetry.selectors.metrics import fleet_health, recent, six_metrics
    from apps.telemetry.selectors.runs import RunFilter, task_page
    from apps.telemetry.services.fold import fold_pending
    from apps.telemetry.services.ingest import close_pool, store_spans
    from apps.telemetry.services.rollups import roll_up_pending
    from apps.telemetry.services.settle import settle

    call_command("prepare_database", verbosity=0)
    with everyone(reason="the benchmark has an organization of its own"):
        organization = Organization.objects.create(slug="bench", name="Bench").id
    spans = list(runs(options.spans, options.per_trace))
    batches = [spans[start : start + options.batch] for start in range(0, len(spans), options.batch)]
    store_spans(organization_id=organization, agent_slug=None, spans=batches[0])

    def store() -> None:
        for batch in batches[1:]:
            store_spans(organization_id=organization, agent_slug=None, spans=batch)

    def fold() -> None:
        while fold_pending(organization, batches=1):
            pass

    def roll_up() -> None:
        while roll_up_pending(organization):
            pass

    profiler = cProfile.Profile() if options.profile else None
    spent = Meter(server_pid)
    stored = spent.by(store)
    if profiler:
        profiler.enable()
    folded = spent.by(fold)
    rolled = spent.by(roll_up)
    if profiler:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    count = len(spans)
    print(f"{count} spans, {options.per_trace} per trace, batches of {options.batch}")
    total = sum(stored)
    for name, cost in (("store", stored), ("fold", folded), ("roll up", rolled)):
        ours, theirs = (part / count * 1e6 for part in cost)
        print(
            f"{name:8} {ours + theirs:6.1f} us/span (Python {ours:.1f}, PostgreSQL {theirs:.1f})"
            f"  {sum(cost) / total:6.1%} of storing"
        )
    week = recent(timedelta(days=7))

    def inside(read: Callable) -> Callable:
        def call() -> None:
            with scope(organization):
                read()

        return call

    for name, read in (
        ("settle with nothing due", lambda: settle(organization)),
        ("six metrics of 7 days", lambda: six_metrics(week)),
        ("fleet of 7 days", lambda: fleet_health(week)),
        ("first page of tasks", lambda: task_page(RunFilter())),
    ):
        times = sorted(timed(inside(read)) for _ in range(20))
        print(f"{name:26} p50 {statistics.median(times) * 1000:7.1f} ms  p95 {times[-2] * 1000:7.1f} ms")
    close_pool()


def runs(count: int, per_trace: int):
    """Yield the spans of agent runs over the last two days: an agent step, then model and tool calls."""
    from apps.telemetry.normal import NormalSpan

    draw = random.Random(1)
    now = datetime.now(UTC) - timedelta(minutes=5)
    traces = count // per_trace
    for trace in range(traces):
        began = now - timedelta(days=2) * ((traces - trace) / traces)
        for number in range(per_trace):
            kind = "agent" if number == 0 else "tool" if number % 3 == 0 else "model"
            is_model = kind == "model"
            yield NormalSpan(
                trace_id=f"{trace:032x}",
                span_id=f"{trace * per_trace + number:016x}",
                parent_span_id=f"{trace * per_trace:016x}" if number else None,
                name={"agent": "invoke_agent", "tool": "execute_tool lookup", "model": "chat gpt-4o"}[kind],
                started_at=began + timedelta(milliseconds=200 * number),
                duration_us=draw.randint(50_000, 190_000) if number else 200_000 * per_trace,
                kind=kind,
                status="error" if draw.random() < 0.02 else "ok",
                agent=f"agent-{trace % 8}",
                agent_version="3",
                environment="production",
                task_type=("refund", "question")[trace % 2],
                conversation_id=f"conversation-{trace // 3}",
                user_id=f"user-{trace % 100}",
                provider="openai" if is_model else None,
                model="gpt-4o" if is_model else None,
                tool="lookup" if kind == "tool" else None,
                input_tokens=draw.randint(200, 4000) if is_model else None,
                output_tokens=draw.randint(10, 400) if is_model else None,
                attributes={f"attribute.{index}": "a value of some length" for index in range(14)},
            )


class Meter:
    """Processor seconds of this process and of a PostgreSQL server with its backends."""

    def __init__(self, server_pid: int) -> None:
        self.server_pid = server_pid

    def by(self, work: Callable[[], object]) -> tuple[float, float]:
        """Return what a call spends, here and there."""
        ours, theirs = time.process_time(), self._server()
        work()
        return time.process_time() - ours, self._server() - theirs

    def _server(self) -> float:
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # Parent, user and system ticks, and those of children that ended.
            if int(path.parent.name) == self.server_pid or int(fields[1]) == self.server_pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()

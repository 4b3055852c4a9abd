import gzip
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.core.tenancy import everyone
from apps.organizations.models import Organization
from apps.telemetry.normal import WireError
from apps.telemetry.services.imports import Imported, finish_import, import_runs
from apps.telemetry.services.ingest import close_pool, limits, store_spans
from apps.telemetry.wire import guide_events, otlp
from apps.telemetry.wire.runs import Run, tau2, tau_bench

RUN_FORMATS = {"tau-bench": tau_bench.read, "tau2": tau2.read}
SPAN_FORMATS = {"otlp-json": otlp.decode_json, "events": guide_events.decode}
SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


class Command(BaseCommand):
    """Import recorded runs, or telemetry in files, as an organization's history; a second import changes nothing."""

    help = "Import runs: tau-bench, tau2, otlp-json, events (files, .gz, folders)"

    def add_arguments(self, parser) -> None:
        parser.add_argument("format", choices=[*RUN_FORMATS, *SPAN_FORMATS])
        parser.add_argument("path", help="a file, or a folder of files")
        parser.add_argument("--organization", required=True, help="its address, for example acme")
        parser.add_argument("--agent", help="name of the agent (default: from the file)")
        parser.add_argument("--model", help="model of runs that do not name theirs")
        parser.add_argument("--zone", default="UTC", help="time zone of times without one")
        parser.add_argument("--starting", help="begin of the first run without times, RFC 3339 (default: 7 days ago)")

    def handle(self, *args, **options) -> None:
        with everyone(reason="the command names the organization by its address"):
            organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        files = _files(Path(options["path"]))
        try:
            if options["format"] in SPAN_FORMATS:
                self._import_spans(organization, files, options)
            else:
                self._import_runs(organization, files, options)
        finally:
            close_pool()

    def _import_runs(self, organization: Organization, files: list[Path], options: dict) -> None:
        try:
            zone = ZoneInfo(options["zone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise CommandError(f"“{options['zone']}” is no time zone.") from error
        starting = _starting(options["starting"])
        runs = list(_runs(files, RUN_FORMATS[options["format"]], options["agent"], options["model"], zone))
        counts = Imported()
        with tqdm(total=len(runs), unit="run", disable=not sys.stderr.isatty()) as bar:
            for counts in import_runs(
                organization=organization, runs=runs, starting=starting, source=f"import {options['format']}"
            ):
                bar.update(counts.run_count - bar.n)
        finish_import(organization)
        for name in Imported.__dataclass_fields__:
            if name != "rejected":
                self.stdout.write(f"{name.removesuffix('_count').replace('_', ' '):<12} {getattr(counts, name):>8,}")
        for reason in counts.rejected[:10]:
            self.stderr.write(f"rejected: {reason}")

    def _import_spans(self, organization: Organization, files: list[Path], options: dict) -> None:
        accepted = refused = 0
        for path in tqdm(files, unit="file", disable=not sys.stderr.isatty()):
            for body in _bodies(path, options["format"]):
                try:
                    decoded = SPAN_FORMATS[options["format"]](body, limits())
                except WireError as error:
                    raise CommandError(f"{path}: {error}") from error
                stored = store_spans(organization_id=organization.id, agent_slug=None, spans=decoded.spans)
                rejected = [*decoded.rejected, *stored.rejected]
                accepted, refused = accepted + stored.accepted_count, refused + len(rejected)
                for rejection in rejected[:5]:
                    self.stderr.write(f"{path} {rejection.index}: {rejection.reason}")
        finish_import(organization)
        self.stdout.write(f"spans {accepted:,}, rejected {refused:,}")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
        if not found:
            raise CommandError(f"{path} has no file that ends with {', '.join(SUFFIXES)}.")
        return found
    if not path.is_file():
        raise CommandError(f"{path} does not exist.")
    return [path]


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    except (OSError, EOFError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _runs(files: list[Path], read, agent: str | None, model: str | None, zone: ZoneInfo) -> Iterator[Run]:
    for path in files:
        try:
            yield from read(json.loads(_content(path)), agent=agent, model=model, zone=zone)
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{path}: {error}") from error


def _bodies(path: Path, form: str) -> Iterator[bytes]:
    """Return the requests of a file: OTLP files of the collector have one a line, events are split every 5,000."""
    content = _content(path)
    if form == "otlp-json":
        lines = [line for line in content.splitlines() if line.strip()]
        yield from lines if all(line.startswith(b"{") and line.endswith(b"}") for line in lines) else [content]
        return
    lines = content.splitlines()
    if content.lstrip()[:1] == b"[" or len(lines) <= 5000:
        yield content
        return
    for first in range(0, len(lines), 5000):
        yield b"\n".join(lines[first : first + 5000])


def _starting(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=7)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--starting {text!r} is no time: write 2026-01-15T00:00:00Z.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)

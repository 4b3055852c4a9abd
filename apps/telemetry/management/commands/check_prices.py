"""Compare the product's token reading and prices with answers computed elsewhere."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.telemetry.prices.oracle import compare_usages
from apps.telemetry.prices.table import TABLE_NAME


class Command(BaseCommand):
    """`manage.py check_prices usages.json.gz`: exit status 1 if fewer bodies are exact than asked for."""

    help = "Price provider usage bodies and compare with the expected prices in a file of genai-prices' format."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, the day of its prices and the share that must be exact."""
        parser.add_argument("path", type=Path, help="JSON list (may be gzipped) of {body, model, extracted}")
        parser.add_argument(
            "--at", default="2026-08-20", help="the day whose prices the file holds (default: %(default)s)"
        )
        parser.add_argument("--least", type=float, default=0.99, help="share that must be exact (default: %(default)s)")

    def handle(self, *args: Any, path: Path, at: str, least: float, **options: Any) -> None:
        """Print the share that is exact and list the rest with the reason."""
        try:
            day = datetime.strptime(at, "%Y-%m-%d").replace(tzinfo=UTC)
            raw = path.read_bytes()
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        entries = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        result = compare_usages(entries, at=day)
        self.stdout.write(f"{TABLE_NAME}, prices of {day:%Y-%m-%d}")
        self.stdout.write(
            f"{result.exact_count} of {result.body_count} bodies exact ({result.exact_share:.2%}); "
            f"{result.priced_count} of {result.answer_count} prices (a body has one per provider that sells the model)"
        )
        self.stdout.write(
            f"not compared: {result.without_answer_count} bodies that the file has no price for, "
            f"{result.foreign_count} readings of a body by another API's rules"
        )
        for difference in result.differences:
            self.stdout.write(f"  {difference}")
        if result.exact_share < least:
            raise CommandError(f"fewer than {least:.0%} are exact")

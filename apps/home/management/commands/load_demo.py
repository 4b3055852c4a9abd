import json
from pathlib import Path

from django.core.management.base import BaseCommand

from apps.home.services import load_demo
from apps.telemetry.services.ingest import close_pool


class Command(BaseCommand):
    """Create the demo organizations with generated history; does nothing where they exist."""

    help = "Load the demo organizations acme and globex"

    def add_arguments(self, parser) -> None:
        parser.add_argument("--credentials", required=True, help="file to write the logins and keys to")

    def handle(self, *args, **options) -> None:
        path = Path(options["credentials"])
        try:
            credentials = load_demo(say=self.stdout.write)
        finally:
            close_pool()
        if credentials is None:
            return
        path.touch(mode=0o600)
        path.write_text(json.dumps(credentials, indent=2) + "\n", encoding="utf-8")

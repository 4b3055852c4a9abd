import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from apps.audit import rules, selectors
from apps.core.tenancy import scope


class Command(BaseCommand):
    """Verify an organization's chain in the database, or an exported file with a published key."""

    help = "Verify the audit trail: --organization ID for the database, or a FILE.jsonl that was exported"

    def add_arguments(self, parser) -> None:
        parser.add_argument("file", nargs="?", help="an exported trail (JSON lines)")
        parser.add_argument("--organization", help="the organization's id: verify the database")
        parser.add_argument(
            "--key", action="append", default=[], help="a published public key in base64 (default: the export's own)"
        )

    def handle(self, *args, **options) -> None:
        if bool(options["file"]) == bool(options["organization"]):
            raise CommandError("name either a file or --organization")
        if options["organization"]:
            with scope(options["organization"]):
                faults = selectors.faults()
        else:
            faults = self._verify_file(Path(options["file"]), options["key"])
        for fault in faults:
            self.stderr.write(f"entry {fault.sequence}: {fault.reason}")
        if faults:
            raise CommandError(f"the trail does not hold: {len(faults)} faults")
        self.stdout.write("the trail holds")

    def _verify_file(self, path: Path, given: list[str]) -> list[rules.Fault]:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        keys = {rules.key_id(key): key for key in given}
        if not keys:
            self.stderr.write("note: verified with the key inside the file; compare it with the published one")
            for line in lines:
                if line["type"] == "keys":
                    keys |= line["keys"]
        return list(
            rules.find_faults(
                (line for line in lines if line["type"] == "entry"),
                (line for line in lines if line["type"] == "checkpoint"),
                keys,
            )
        )

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core.icons import sprite


class Command(BaseCommand):
    """Write static/icons.svg from the list of icons in use."""

    help = "Write the icon sprite"

    def handle(self, *args, **options) -> None:
        (settings.BASE_DIR / "static" / "icons.svg").write_text(sprite(), encoding="utf-8")

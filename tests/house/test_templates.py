"""Templates and static files: they compile, stay small, and need no exception from the content security policy."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

from apps.core.icons import sprite

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_compiles_and_needs_no_inline_code(path):
    get_template(str(path.relative_to(ROOT / "templates")))
    text = path.read_text()
    assert not re.search(r"\sstyle=", text), "a style attribute is refused by the policy: use a class or attribute"
    assert not re.search(r"\son[a-z]+=\"", text), "an inline handler is refused by the policy"
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or "application/json" in tag, "an inline script is refused by the policy"


def test_links_of_htmx_work_without_it():
    for path in TEMPLATES:
        for tag in re.findall(r"<a [^>]*hx-[^>]*>", path.read_text()):
            assert "href=" in tag, f"{path.name}: {tag[:80]}"


def test_the_icon_sprite_is_what_the_list_says():
    assert (ROOT / "static" / "icons.svg").read_text() == sprite(), "run manage.py build_icons"


def test_own_scripts_and_styles_stay_small():
    scripts = sum(path.stat().st_size for path in (ROOT / "static" / "js").glob("*.js"))
    styles = sum(path.stat().st_size for path in (ROOT / "static" / "css").glob("*.css"))
    assert scripts <= 9_000, scripts
    assert styles <= 36_000, styles

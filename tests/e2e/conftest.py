"""A real browser against a real server in this process, on the worker's own database."""

import os
import shutil
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from playwright.sync_api import Page, expect, sync_playwright

# Playwright's loop runs in this thread; the tests themselves are ordinary synchronous code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
# The first page of a cold server compiles its templates.
expect.set_options(timeout=15_000)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args) -> None:
        """Say nothing: a failing test shows the page."""


class _Handler(StaticFilesHandler):
    def get_response(self, request):
        """Answer as ever, and give the connections of this thread back."""
        try:
            return super().get_response(request)
        finally:
            for alias in connections:
                connections[alias].close()


@pytest.fixture(scope="session")
def browser():
    """Start the system's Chromium (CHROMIUM names another), or Playwright's own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def site(committed_db, settings):
    """Serve the product on a free port; returns its address."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), _Quiet)
    settings.PUBLIC_URL = f"http://127.0.0.1:{server.server_port}"
    server.set_app(_Handler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield settings.PUBLIC_URL
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def visit(browser, site):
    """Return a function that opens a browser window: visit(width=1440, dark=False, cookies of a person)."""
    contexts = []

    def open_window(*, width: int = 1440, dark: bool = False, client=None, javascript: bool = True) -> Page:
        context = browser.new_context(
            base_url=site,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
        )
        contexts.append(context)
        if client is not None:
            context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda told: page.faults.append(told.text) if told.type == "error" else None)
        return page

    yield open_window
    for context in contexts:
        context.close()


def faults_of(page: Page) -> list[str]:
    """Return what is wrong with a page: accessibility findings, script errors, contents beside the window."""
    found = Axe().run(page).response["violations"]
    told = [f"{page.url}: {item['id']}: {node['html'][:160]}" for item in found for node in item["nodes"]]
    told += [f"{page.url}: {fault}" for fault in page.faults]
    beside = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if beside > 0:
        told.append(f"{page.url} scrolls sideways by {beside} px")
    return told


def assert_sound(page: Page) -> None:
    """Assert that nothing is wrong with a page."""
    assert faults_of(page) == []

"""A real browser, Debian's Chromium, and reports that it opens from disk."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.made_up_version import make_version
from ml.page.packing import pack_version
from ml.page.report import build_report

HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "A" * 300,
           "\u202etxet", "a/b\\c?d#e&f=%20", "=1+1")  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    """Chromium by DevTools; no browser is downloaded."""
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if path is None or find_spec("playwright") is None:
        how = "no Chromium to open pages in: install Debian's package, and make setup"
        if os.environ.get("CI"):
            pytest.fail(how)
        pytest.skip(how)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # A container's user is root, and for root Chromium has no sandbox.
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """A report of sixty items, six of them with ids that want to be something else."""
    folder = tmp_path_factory.mktemp("report")
    packed = pack_version(make_version(folder / "version", 60, 13, named=HOSTILE))
    build_report(packed, "pt").save(folder / "report.html")
    return folder / "report.html"


class Visit:
    """A page that is open, and all that it asked for or complained of."""

    def __init__(self, browser, path: Path, *, scheme: str = "light", hash_: str = "") -> None:
        self.context = browser.new_context(color_scheme=scheme, accept_downloads=True)
        self.page = self.context.new_page()
        self.requests, self.complaints, self.clicks = [], [], 0
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("console", lambda one: self.complaints.append(one.text))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("dialog", lambda one: self.complaints.append(f"dialog: {one.message}"))
        self.page.goto(f"file://{path}{hash_}")
        self.page.wait_for_selector("body[data-ready]")

    def click(self, selector: str) -> "Visit":
        self.clicks += 1
        self.page.locator(selector).first.click()
        return self

    def go(self, hash_: str, screen: str) -> "Visit":
        """Another address of the same page, and its screen drawn."""
        self.page.evaluate(
            "(hash) => { delete document.body.dataset.ready; location.hash = hash }", hash_
        )
        self.page.wait_for_selector(f"body[data-ready={screen}]")
        return self

    def on(self, screen: str) -> "Visit":
        """The screen that a click led to, drawn."""
        self.page.wait_for_selector(f"body[data-ready={screen}]")
        return self

    @property
    def text(self) -> str:
        return self.page.inner_text("main")

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def visit(browser):
    """Opens pages, and closes them after the test."""
    opened = []

    def opener(path: Path, **options) -> Visit:
        opened.append(Visit(browser, path, **options))
        return opened[-1]

    yield opener
    for one in opened:
        one.close()

"""The same page on the tier that serves: it says what the report says, word by word."""

import difflib
from importlib.util import find_spec
from urllib.parse import quote

import pytest

from benchmarks.made_up_version import VERSION
from ml.page.report import REPORT
from tests.pages.committed import commit_made_up
from tests.pages.conftest import HOSTILE
from tests.serving.conftest import OWN, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not OWN.exists() and find_spec("fastapi") is None, reason="no server: make setup-serving"
    ),
]
VIEWS = (
    *(("today", f"f={name}") for name in ("order", "excess", "refused", "all")),
    *(("item", f"i={quote(item)}") for item in ("PECA-000003", *HOSTILE)),
    *((screen, "") for screen in ("changes", "service", "accuracy", "data")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder with one version and its report."""
    results = tmp_path_factory.mktemp("served")
    commit_made_up(results, 60, HOSTILE)
    return results


def show(page, screen, state):
    page.evaluate(
        "(hash) => { delete document.body.dataset.ready; location.hash = hash }",
        f"#s={screen}&{state}",
    )
    page.wait_for_selector(f"body[data-ready={screen}]")
    for summary in page.locator("details > summary").all():
        summary.click()
    page.wait_for_selector("details[open]:not(:has(table))", state="detached")
    return page.inner_text("main")


def test_the_dashboard_says_what_the_report_says(folder, browser, tmp_path):
    with serving(tmp_path / "server", "--results", str(folder)) as server:
        complaints = []
        pages = [browser.new_page() for _ in range(2)]
        for page, address in zip(
            pages, (f"file://{folder}/versions/{VERSION}/{REPORT}", server.url), strict=True
        ):
            page.on("console", lambda one: complaints.append(one.text))
            page.on("pageerror", lambda one: complaints.append(str(one)))
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
        for screen, state in VIEWS:
            report, dashboard = (show(page, screen, state).splitlines() for page in pages)
            assert report == dashboard, list(difflib.unified_diff(report, dashboard, n=0))
        assert complaints == []
        for page in pages:
            page.close()

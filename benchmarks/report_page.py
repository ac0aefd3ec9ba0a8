"""Write the report of made-up versions and open it: sizes, seconds, requests, complaints.

Usage: python -m benchmarks.report_page [--sizes 2674x12,100000x30] [--results FOLDER]
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.made_up_version import make_version
from ml.artifacts.folder_store import results_store
from ml.page.packing import pack_version
from ml.page.report import build_report
from ml.page.version_tables import VersionTables, tables_of_store
from pipelines.publish.reader import open_ml_results

ROUNDS = 3  # the page is opened so often; the median is told
MEASURE = """async () => {
  const first = performance.getEntriesByName("shown")[0].startTime;
  const page = await started;
  await page.source.everything();
  return { first, all: performance.now(), rows: document.querySelectorAll("tbody tr").length };
}"""


def measure(name: str, tables: VersionTables, folder: Path, chromium: str) -> Iterator[str]:
    """Write a report twice, open it some times, and say what that took."""
    start, computing = time.perf_counter(), time.process_time()
    report = build_report(pack_version(tables), "pt")
    files = report.save(folder / "report.html")
    written, computed = time.perf_counter() - start, time.process_time() - computing
    again = build_report(pack_version(tables), "pt")
    same = _digest(report) == _digest(again)
    parts = sum(path.stat().st_size for path in files[:-1])
    yield (
        f"{name}: written in {written:.1f} s ({computed:.1f} s of processor), "
        f"{len(report.page.encode()) / 1e6:.2f} MB, and {len(files) - 1} files beside it "
        f"of {parts / 1e6:.1f} MB; written again: {'the same bytes' if same else 'OTHER BYTES'}"
    )
    opened = [_open(folder / "report.html", chromium) for _ in range(ROUNDS)]
    first, every = (sorted(one[key] for one in opened)[ROUNDS // 2] for key in ("first", "all"))
    yield (
        f"{name}: first table after {first / 1000:.2f} s, all unpacked after {every / 1000:.2f} s "
        f"(medians of {ROUNDS}), {max(one['requests'] for one in opened) - 1} requests but for the "
        f"page, {max(one['complaints'] for one in opened)} errors in the console"
    )


def _digest(report: Any) -> str:
    whole = hashlib.sha256(report.page.encode())
    for name in sorted(report.parts):
        whole.update(report.parts[name].encode())
    return whole.hexdigest()


def _open(path: Path, chromium: str) -> dict[str, Any]:
    """Open a page in a browser of its own."""
    from playwright.sync_api import sync_playwright

    requests: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda one: requests.append(one.url))
        page.on("console", lambda one: complaints.append(one.text))
        page.on("pageerror", lambda one: complaints.append(str(one)))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready] tbody tr:not(.gap)", timeout=120_000)
        found: dict[str, Any] = page.evaluate(MEASURE)
        browser.close()
    return found | {"requests": len(requests), "complaints": len(complaints)}


def main(
    sizes: Annotated[str, typer.Option(help="Items and steps of each version.")] = (
        "2674x12,100000x30"
    ),
    results: Annotated[Path | None, typer.Option(help="A results folder as well.")] = None,
    chromium: Annotated[str, typer.Option(help="The browser.")] = "chromium",
) -> None:
    """Measure the report."""
    browser = shutil.which(chromium)
    if browser is None:
        raise SystemExit(f"{chromium}: no such browser. Install Debian's chromium.")
    if results is not None:
        read = open_ml_results(results_store(results))
        with tempfile.TemporaryDirectory() as folder:
            tables = tables_of_store(read.store, read.manifest)
            for line in measure(str(results), tables, Path(folder), browser):
                print(line, flush=True)
    for size in filter(None, sizes.split(",")):
        items, steps = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            tables = make_version(Path(folder) / "version", items, steps)
            name = f"{items:,} made-up items x {steps} steps"
            for line in measure(name, tables, Path(folder), browser):
                print(line, flush=True)


if __name__ == "__main__":
    typer.run(main)

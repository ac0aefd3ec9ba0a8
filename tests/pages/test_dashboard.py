"""The same page on the tier that serves: it says what the report says, word by word."""

import difflib
import os
from collections import defaultdict
from importlib.util import find_spec
from random import Random
from urllib.parse import quote

import pytest

from benchmarks.made_up_version import VERSION, make_version
from ml.artifacts.folder_store import FolderStore
from ml.page.packing import pack_version
from ml.page.report import REPORT, build_report
from pipelines.publish.reader import open_ml_results
from tests.ml.page.rounding import as_quantity, shorten
from tests.pages.committed import commit_made_up
from tests.pages.conftest import HOSTILE
from tests.serving.conftest import OWN, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not OWN.exists() and find_spec("fastapi") is None, reason="no server: make setup-serving"
    ),
]
FULL = os.environ.get("DRILLS") == "full"
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
            assert screen != "today" or {"Mover entre locais", "Pedidos a fornecedores"} < {*report}
        assert complaints == []
        for page in pages:
            page.close()


OF_FORECASTS = ("forecast", "q05", "q10", "q50", "q90", "q95", "cum_mean", "cum_q50", "cum_q80",
                "cum_q95", "cum_q99")  # fmt: skip
OF_ITEMS = ("order_qty", "reorder_point", "inventory_position", "ltd_mean", "order_up_to")
WORDS_OF_CELLS = """async ([ofForecasts, ofItems]) => {
  const page = await started;
  const list = await page.source.items();
  const found = {};
  for (const [place, id] of list.ids.entries()) {
    const item = await page.source.item(place);
    const own = (found[id] = {});
    for (const name of ofForecasts) own[name] = (item.forecast?.[name] ?? []).map(quantity);
    own.y = (item.history?.y ?? []).map(quantity);
    for (const name of ofItems) own[`item ${name}`] = [quantity(item.facts[name])];
    own["item p_stockout_no_order"] = [percent(item.facts.p_stockout_no_order, 1)];
    own["item order_value"] = [money(item.facts.order_value, "")];
    for (const { factor, points } of item.service ?? []) {
      own[`${factor} reorder_point`] = points.map((one) => quantity(one.reorder_point));
      if (factor !== 1) continue;
      own["1 stock_value"] = points.map((one) => money(one.stock_value, ""));
      own["1 fill_rate"] = points.map((one) => percent(one.fill_rate, 1));
    }
    own.weight = item.models.map((one) => percent(one.weight, 1));
  }
  return found;
}"""


def in_words(number, sign=""):
    """A rounded number as it stands in Portuguese."""
    whole, _, rest = f"{number:,f}".partition(".")
    rest = rest.rstrip("0")
    return whole.replace(",", ".") + (f",{rest}" if rest else "") + sign


def tell_quantity(value):
    return "\N{EN DASH}" if value is None else in_words(as_quantity(value))


def tell_money(value):
    return in_words(shorten(value, 2 if abs(value) < 100 else 0))


def tell_share(value):
    return in_words(shorten(value, 3) * 100, "%")


OF_TABLES = {  # what the page shows of a row, and how
    "forecasts": dict.fromkeys(OF_FORECASTS, tell_quantity),
    "history": {"y": tell_quantity},
    "recommendations": {**dict.fromkeys(OF_ITEMS, tell_quantity),
                        "p_stockout_no_order": tell_share, "order_value": tell_money},
    "service_curves": {"reorder_point": tell_quantity, "stock_value": tell_money,
                       "fill_rate": tell_share},
    "forecast_models": {"weight": tell_share},
}  # fmt: skip


def cells_of_parquet(results):
    """What the tables hold, in the words of the page: by item and name, a list of texts."""
    version = open_ml_results(FolderStore(results))
    found = defaultdict(lambda: defaultdict(list))
    for table, columns in OF_TABLES.items():
        for row in version.read(table).to_pylist():
            prefix = {"recommendations": "item "}.get(table, "")
            if table == "service_curves":
                prefix = f"{row['lead_time_factor']:g} "
            for name, tell in columns.items():
                if name == "reorder_point" or not prefix.startswith(("0", "1.", "2")):
                    found[row["item_id"]][prefix + name].append(tell(row[name]))
    return found


def test_ten_thousand_cells_are_shown_alike_by_report_server_and_tables_drill(
    folder, browser, tmp_path
):
    told = cells_of_parquet(folder)
    cells = [(item, name, place) for item, own in told.items()
             for name, texts in own.items() for place in range(len(texts))]  # fmt: skip
    chosen = Random(7).sample(cells, len(cells) if FULL else 10_000)
    many = pack_version(make_version(tmp_path / "version", 60, 13, named=HOSTILE), many=10)
    build_report(many, "pt").save(tmp_path / "report.html")
    with serving(tmp_path / "server", "--results", str(folder)) as server:
        for address in (
            f"file://{folder}/versions/{VERSION}/{REPORT}", f"file://{tmp_path}/report.html",
            server.url,
        ):  # fmt: skip
            page = browser.new_page()
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            shown = page.evaluate(WORDS_OF_CELLS, [OF_FORECASTS, OF_ITEMS])
            page.close()
            wrong = [
                (address[:7], cell, shown[item].get(name), told[item][name][place])
                for item, name, place in chosen
                if shown[item][name][place:][:1] != [told[item][name][place]]
                for cell in [(item, name, place)]
            ]
            assert wrong[:5] == []
    print(f"{len(chosen)} cells alike in the report, in that of many items and on the server")  # noqa: T201 - for make drills

"""The report in a real browser: nothing is asked of a network, and everybody can use it."""

import re
from pathlib import Path

import pytest

from benchmarks.made_up_version import make_version
from ml.page.packing import pack_version
from ml.page.report import build_report
from tests.ml.page.rounding import as_quantity
from tests.pages.conftest import HOSTILE

SCREENS = ("today", "changes", "item", "service", "accuracy", "data")
ITEM = "PECA-000003"


def axe_problems(page):
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
    page.evaluate(script)  # through DevTools: the page's own rules forbid other scripts
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [(one["id"], [node["html"][:120] for node in one["nodes"][:2]]) for one in found]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["pt", "en"])
def test_no_screen_asks_complains_or_shuts_anybody_out(visit, report, language, scheme):
    seen = visit(report, scheme=scheme)
    for screen in SCREENS:
        seen.go(f"#s={screen}&lang={language}&i={ITEM}", screen)
        for table in seen.page.locator("details > summary").all():
            table.click()
        seen.page.wait_for_selector("details[open]:not(:has(table))", state="detached")
        assert axe_problems(seen.page) == [], (screen, language, scheme)
    assert seen.requests == [f"file://{report}"]
    assert seen.complaints == []


def test_the_report_opens_from_disk_and_shows_what_to_order(visit, report):
    seen = visit(report)
    assert seen.page.locator("tbody tr:not(.gap)").count() > 5
    assert (seen.requests, seen.complaints) == ([f"file://{report}"], [])


QUESTIONS = {
    "what to order today": ([], r"Pedir agora"),
    "is this real data": ([], r"Dados sintéticos: todos os números desta página são inventados"),
    "how old is it": ([], r"Calculado\s+há \d+ (dia|hora)"),
    "why this one": ([("text=Pedir agora >> nth=0", None)], r"está no ponto de pedido"),
    "what is excess": ([("[data-chip=excess]", None)], r"Ver excesso[\s\S]*sobram"),
    "which items have no forecast": ([("[data-chip=refused]", None)], r"VAZIA-1\s[\s\S]*Motivo"),
    "what changed since yesterday and by what": (
        [("nav >> text=O que mudou", "changes")], r"itens mudaram[\s\S]*(estoque e dia|previsão)",
    ),
    "was it right last month": (
        [("nav >> text=Acerto", "accuracy")], r"previsões conferidas, [\d,]+% ficaram dentro",
    ),
    "when does it run out": ([("tbody th a", "item")], r"Acaba em \(mediana\)\s+\d\d de"),
    "what does 98 % cost": (
        [("nav >> text=Serviço e estoque", "service"), ('[data-target="0.98"]', None)],
        r"Com 98% para cada item: estoque médio de R\$\s[\d.]+",
    ),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_ten_questions_of_a_planner_take_two_clicks_at_most(visit, report, question):
    steps, answer = QUESTIONS[question]
    seen = visit(report)
    for selector, screen in steps:
        if screen is None:
            seen.click(selector)
        else:
            seen.click(selector).on(screen)
    assert seen.clicks <= 2
    assert re.search(answer, seen.text), seen.text


@pytest.mark.parametrize("item", HOSTILE)
def test_a_hostile_id_is_shown_as_text(visit, report, item):
    seen = visit(report, hash_="#f=all")
    seen.page.fill("#search", item)
    link = seen.page.locator("tbody th a").first
    assert link.inner_text() == item
    link.click()
    seen.on("item")
    assert seen.page.inner_text("h2 bdi") == item
    assert seen.page.locator("main img, main script").count() == 0
    assert seen.complaints == []


def test_without_a_script_the_first_screen_can_be_read(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{report}")
    text = page.inner_text("main")
    context.close()
    assert "Dados sintéticos" in text
    assert text.count("PECA-") > 40


@pytest.fixture(scope="module")
def shared_out(tmp_path_factory) -> Path:
    """The same with moves between locations and orders of suppliers, all of them of such names."""
    folder = tmp_path_factory.mktemp("shared_out")
    tables = make_version(folder / "version", 12, 6, named=HOSTILE, partners=HOSTILE)
    build_report(pack_version(tables, many=10), "pt").save(folder / "report.html")
    return folder / "report.html"


MOVES, SUPPLIERS = ("Mover entre locais", "Pedidos a fornecedores")


def rows_of(seen, caption):
    rows = seen.page.get_by_role("region", name=caption).locator("tbody tr:not(.gap)")
    return rows.evaluate_all("rows => rows.map((row) => [...row.cells].map((c) => c.innerText))")


def test_moves_and_orders_of_suppliers_stand_below_the_list(visit, shared_out):
    seen = visit(shared_out)
    moves, orders = rows_of(seen, MOVES), rows_of(seen, SUPPLIERS)
    # The dearest first: six units of 12.50 from the last location to the first.
    first = min(*HOSTILE, *(f"PECA-{number:06d}" for number in range(6)))
    assert moves[0] == [
        first, HOSTILE[-1], HOSTILE[0], "6", "10,5", "6", "R$ 75", "62,5%", "12,5%", "Decidir",
    ]  # fmt: skip
    assert moves[-1][9] == "\N{EN DASH}"
    assert [row[0] for row in orders] == list(reversed(HOSTILE))
    # 505 of at least 500, ordered on the day of the decision; four items more, three of them named.
    assert orders[0][1:5] == ["6", "R$ 505", "R$ 500", "R$ 300"]
    assert orders[0][5] == "20/11/2026"
    assert orders[0][7].endswith("e mais 1")
    assert orders[0][6].startswith("Completado até o mínimo; 87,5% do acréscimo")
    assert seen.page.locator("main img, main script").count() == 0
    assert (seen.requests, seen.complaints) == ([f"file://{shared_out}"], [])
    assert axe_problems(seen.page) == []


def test_moves_are_searched_sorted_and_saved_as_they_are_shown(visit, shared_out):
    seen = visit(shared_out, hash_="#lang=en")
    seen.page.fill("#search-moves", HOSTILE[4].upper())
    assert [row[3] for row in rows_of(seen, "Move between locations")] == ["5", "4"]
    assert len(rows_of(seen, "Orders to suppliers")) == len(HOSTILE)
    box = seen.page.get_by_role("region", name="Move between locations")
    for _ in range(2):  # first the most, then the least
        box.locator("thead button", has_text="Quantity").click()
    assert [row[3] for row in rows_of(seen, "Move between locations")] == ["4", "5"]
    with seen.page.expect_download() as waiting:
        seen.page.locator("#search-moves + button").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert lines[0].startswith("item_id,from_location,to_location,quantity,spare_qty,need_qty")
    assert [line.split(",")[-7] for line in lines[1:]] == ["4", "5"]


TOLD = {
    "No item is due.": {"lines": 0, "order_value_alone": 0, "order_value": 0},
    "The budget leaves nothing for this order.": {"lines": 0, "order_value": 0},
    "Nothing was added: it is what the items need.": {"items_added": 0, "order_value": 300},
    "The budget pays for less than the items need. Still below the minimum: decide.":
        {"items_added": 0, "order_value": 200, "is_below_minimum": 1},
    "Filled up to the minimum; 40% of the extra should be used in time.": {"order_cost": 0},
    "Filled up to share the fixed cost of R$ 80; 40% of the extra should be used in time.":
        {"min_order_value": None, "order_cost": 80},
    "Filled up for the minimum or the fixed cost of R$ 80; 40% of the extra should be used in "
    "time.": {"order_cost": 80},
}  # fmt: skip


def test_an_order_of_a_supplier_says_what_filled_it_up(visit, shared_out):
    order = {"currency": "BRL", "lines": 6, "min_order_value": 500, "order_cost": None,
             "order_value_alone": 300, "order_value": 500, "is_below_minimum": 0, "items_added": 4,
             "expected_use": 0.4}  # fmt: skip
    seen = visit(shared_out, hash_="#lang=en")
    for sentence, change in TOLD.items():
        assert seen.page.evaluate("row => jointSentence(row)", {**order, **change}) == sentence


def test_without_such_rows_there_is_no_section_of_them(visit, report):
    seen = visit(report)
    assert seen.page.locator("main h2").count() == 2
    assert seen.page.locator("main input[type=search]").count() == 1


def test_the_address_holds_the_state(visit, report):
    seen = visit(report)
    seen.page.fill("#search", "0001")
    seen.click("[data-chip=all]").click("thead button >> nth=4")
    address = seen.page.evaluate("location.hash")
    rows = seen.page.locator("tbody th").all_inner_texts()
    again = visit(report, hash_=address)
    assert again.page.input_value("#search") == "0001"
    assert again.page.locator("tbody th").all_inner_texts() == rows


def test_the_csv_holds_the_rows_that_are_shown(visit, report):
    seen = visit(report, hash_="#f=all")
    with seen.page.expect_download() as waiting:
        seen.page.locator("main button", has_text="Salvar CSV").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert lines[0].startswith("priority_rank,item_id,action")
    assert len(lines) == 1 + 61
    assert any("'=1+1" in line for line in lines)  # no formula for a spreadsheet
    behind = seen.page.evaluate('toCsv(["id"], [["A;=1+1"], [-1], ["a-b"]])')
    assert behind == "id\r\nA;'=1+1\r\n-1\r\na-b\r\n"  # where lists have semicolons
    assert any("2026-" in line or "2027-" in line for line in lines)


def test_a_chart_is_read_by_keyboard_and_as_a_table(visit, report):
    seen = visit(report, hash_=f"#s=item&i={ITEM}").on("item")
    chart = seen.page.get_by_role("slider").first
    chart.focus()
    told = []
    for key in ("Home", "ArrowRight", "End"):
        seen.page.keyboard.press(key)
        told.append(chart.get_attribute("aria-valuetext"))
    assert len(set(told)) == 3
    assert "mediana" in told[-1]
    seen.page.locator("figure summary").first.click()
    rows = seen.page.locator("figure").first.locator("tbody tr")
    rows.first.wait_for()  # a browser tells of an opened table in its own time
    assert rows.count() == 104 + 13


def test_numbers_in_the_browser_are_those_of_the_tables(visit, report, tmp_path):
    tables = make_version(tmp_path, 60, 13, named=HOSTILE)
    rows = tables.read("forecasts", ["item_id", "q50", "cum_q95"]).to_pylist()
    wanted = [row for row in rows if row["item_id"] == ITEM]
    seen = visit(report, hash_=f"#s=item&i={ITEM}").on("item")
    found = seen.page.evaluate(
        "async () => { const page = await started; const list = await page.source.items();"
        f" return page.source.item(list.ids.indexOf('{ITEM}')) }}"
    )
    for name in ("q50", "cum_q95"):  # as they are shown
        assert found["forecast"][name] == [float(as_quantity(row[name])) for row in wanted]


def test_files_beside_the_page_are_opened_on_demand(visit, tmp_path):
    version = make_version(tmp_path / "version", 30, 6)
    build_report(pack_version(version, many=10), "pt").save(tmp_path / "report.html")
    path = tmp_path / "report.html"
    seen = visit(path)
    assert seen.requests == [f"file://{path}"]
    seen.click("tbody th a").on("item")
    assert seen.requests[1:] == [f"file://{tmp_path}/report_data/0000.js"]
    assert "Modelos e pesos" in seen.text
    assert "trees" in seen.text
    assert seen.complaints == []


def test_without_the_files_beside_it_the_page_shows_the_short_view(visit, tmp_path):
    version = make_version(tmp_path / "version", 30, 6)
    (tmp_path / "report.html").write_text(
        build_report(pack_version(version, many=10), "pt").page, "utf-8"
    )
    seen = visit(tmp_path / "report.html", hash_="#s=item&i=PECA-000002").on("item")
    assert "Visão resumida" in seen.text
    assert seen.page.get_by_role("slider").count() == 3

"""The page as text: what it holds, what it refuses to be, and the first screen without a script."""

import json
import re
from dataclasses import replace

import pytest

from benchmarks.made_up_version import make_version
from ml.contracts.changes import DRIVERS_OF_CHANGE, FORECASTS_CHANGED
from ml.contracts.price_outlook import DECISION_SUPPORT
from ml.contracts.recommendations import ACTIONS, CONFIDENCES, FLAGS, REASONS
from ml.gate.rules import RULES
from ml.page.first_screen import Speaker
from ml.page.packing import pack_version
from ml.page.report import _static, build_report

HOSTILE = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "A" * 300,
           "\u202etxet", "a/b\\c?d#e&f", "=1+1")  # fmt: skip
TEXTS = json.loads(_static("texts.json"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return make_version(tmp_path_factory.mktemp("version"), 40, 6, named=HOSTILE)


@pytest.fixture(scope="module")
def packed(tables):
    return pack_version(tables)


def test_equal_versions_give_equal_bytes(tables, packed, tmp_path):
    again = pack_version(make_version(tmp_path, 40, 6, named=HOSTILE))
    for language in ("pt", "en"):
        assert build_report(again, language).page == build_report(packed, language).page


def test_ids_are_text_wherever_they_stand(packed):
    page = build_report(packed, "pt").page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    # One script that runs; all others hold data, which no browser runs.
    kinds = re.findall(r"<script([^>]*)>", page)
    assert [one for one in kinds if "type=" not in one] == [""]


def test_the_first_screen_needs_no_script(packed):
    for language, words in (("pt", ("Dados sintéticos", "Pedir agora", "Aprovado")),
                            ("en", ("Synthetic data", "Order now", "Passed"))):  # fmt: skip
        page = build_report(packed, language).page
        main = page[page.index("<main") : page.index("</main>")]
        assert all(word in main for word in words)
        assert main.count("<tr>") == 1 + len(packed.items.ids)


def test_the_page_may_do_nothing_but_run_its_own_script(packed):
    page = build_report(packed, "pt").page
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href)="(?!#)', page)


def test_many_items_bring_files_beside_the_page(tables, tmp_path):
    brief = pack_version(tables, many=10)
    report = build_report(brief, "pt")
    files = report.save(tmp_path / "report.html")
    assert [path.name for path in files] == ["0000.js", "report.html"]
    assert "models" not in brief.blocks
    assert "models" in brief.parts[0]
    # A smaller version after it leaves none of them behind.
    build_report(pack_version(tables), "pt").save(tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_version_of_forecasts_alone_has_a_page(tables):
    alone = replace(
        tables,
        partial=True,
        fetch=lambda name, columns: tables.fetch(name, columns) if name == "forecasts" else (),
        load=lambda _: None,
    )
    packed = pack_version(alone)
    assert packed.summary["gate"] is None
    assert "Só previsão" in build_report(packed, "pt").page


def test_columns_that_an_older_version_lacks_are_unknown(tables):
    def fetch(name, columns):
        return tables.fetch(name, [one for one in columns if one not in {"unit", "order_qty"}])

    packed = pack_version(replace(tables, fetch=fetch))
    assert packed.items.columns["order_qty"].null_count == len(packed.items.ids)


@pytest.mark.parametrize(
    ("prefix", "codes"),
    [
        ("action", ACTIONS),
        ("reason", REASONS),
        ("flag", FLAGS),
        ("confidence", CONFIDENCES),
        ("driver", DRIVERS_OF_CHANGE),
        ("forecast_changed", FORECASTS_CHANGED),
        ("support", DECISION_SUPPORT),
        ("rule", [rule.name for rule in RULES]),
        ("class", ("smooth", "erratic", "intermittent", "lumpy", "new", "too_few", "no_demand")),
    ],
)
def test_every_code_has_its_words_in_both_languages(prefix, codes):
    for language in TEXTS:
        assert [code for code in codes if f"{prefix}.{code}" not in TEXTS[language]] == []


def test_both_languages_say_the_same_things():
    portuguese, english = TEXTS["pt"], TEXTS["en"]
    assert list(portuguese) == list(english)
    for key in portuguese:
        names = [sorted(re.findall(r"\{(\w+)\}", one[key])) for one in (portuguese, english)]
        assert names[0] == names[1], key


def test_numbers_have_the_signs_of_the_language():
    portuguese, english = (Speaker(language, TEXTS[language]) for language in ("pt", "en"))
    assert (portuguese.number(1234567.5), english.number(1234567.5)) == (
        "1.234.567,5",
        "1,234,567.5",
    )
    assert (portuguese.money(1200.4, "BRL"), english.money(12.5, "USD")) == ("R$ 1.200", "USD 12.5")
    assert (portuguese.quantity(0.126), portuguese.quantity(126.4)) == ("0,13", "126")
    assert portuguese.percent(None) == "\N{EN DASH}"
    # Halves as they are written, and as a browser rounds them.
    assert (english.quantity(0.125), english.quantity(1.005)) == ("0.13", "1.01")
    assert (english.percent(0.285, 0), english.percent(0.0005, 1)) == ("29%", "0.1%")

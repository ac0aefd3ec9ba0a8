"""The four ETL commands against services on this machine: what they ask for, and what they keep."""

import json
import os
import time
from datetime import date
from itertools import cycle, product

import pytest

from pipelines.outside.domain_sources import DOMAINS
from tests.pipelines.outside.world import ADDRESSES
from tests.pipelines.sources import payloads_money as money
from tests.pipelines.sources import payloads_sky as sky
from tests.pipelines.sources.replay import NO_ANSWER, Reply, Request

AS_OF_YEAR = Request("GET", "/uploads/dadoshistoricos/2026.zip", {}, b"", 0.0)
TABLES = (*DOMAINS, "dividends")


def conditions(server):
    """If-None-Match of every request, by target."""
    return [request.headers.get("if-none-match") for request in server.log]


def twice(desk, domain):
    """Run a command today and on the next day."""
    desk.etl(domain)
    return desk.next_etl(domain)


SGS = "/dados/serie/bcdata.sgs.{}/dados?formato=json&dataInicial={}/2026&dataFinal=21/11/2026"
PTAX = "&@dataInicial='11-10-2026'&@dataFinalCotacao='11-21-2026'"
QUOTES = f"period1={money.utc_midnight('2026-11-10')}&period2={money.utc_midnight('2026-11-22')}"
SECOND_NIGHT = {
    # the last day known is 20 November, ten days before it are asked for again
    "climate": {"open_meteo": ["&start_date=2026-11-10&end_date=2026-11-21"] * 2},
    "economic": {
        "bcb_ptax": [PTAX],
        # of monthly series the last is 1 October at the latest, and two are restated for years
        "bcb_sgs": [SGS.format(432, "10/11"), SGS.format(11, "10/11"),
                    *(SGS.format(code, "01/09") for code in (433, 189, 24363))],
    },
    # a page, and for each of two states the form and its file
    "anatel_5g": {"anatel_accesses": [".zip"],
                  "anatel_stations": ["licenciamento.php", *["export", "file="] * 2]},
    "prices": {"yahoo": [QUOTES], "bcb_ptax": [PTAX],
               "ipeadata": ["Metadados('EIA366_PBRENT366')", "'EIA366_PBRENT366'"]},
}  # fmt: skip


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_second_night_asks_for_the_increment_only(desk, world, domain):
    twice(desk, domain)
    assert world.asked() == SECOND_NIGHT[domain].keys()
    for service, parts in SECOND_NIGHT[domain].items():
        for target, part in zip(world.targets(service), parts, strict=True):
            assert part in target


@pytest.mark.parametrize(
    ("domain", "service"), [("anatel_5g", "anatel_accesses"), ("prices", "ipeadata")]
)
def test_a_second_night_asks_whether_a_whole_file_has_changed(desk, world, domain, service):
    twice(desk, domain)
    assert conditions(world.servers[service])[-1] is not None


def test_sources_that_stand_in_are_asked_for_the_increment_only_as_well(desk, world):
    world.down("open_meteo")
    twice(desk, "climate")
    assert world.targets("inmet") == ["/uploads/dadoshistoricos/2026.zip"]
    assert conditions(world.servers["inmet"])[0] is not None
    world.down("inmet")
    desk.next_etl("climate")
    desk.next_etl("climate")
    starts = [request.query["start"] for request in world.servers["nasa_power"].log]
    assert starts == ["20261112"] * 2  # 22 November - 10 days


def test_a_dollar_from_the_second_and_third_source_is_asked_for_by_the_increment(desk, world):
    world.down("bcb_ptax")
    twice(desk, "economic")
    (sell,) = [target for target in world.targets("bcb_sgs") if "sgs.1/" in target]
    assert "dataInicial=10/11/2026" in sell
    world.down("bcb_sgs")
    desk.next_etl("economic")
    desk.next_etl("economic")
    assert [request.headers.get("if-none-match") is not None
            for request in world.servers["ipeadata"].log] == [False, True]  # fmt: skip
    assert len(world.targets("ibge_sidra")) == 1


def test_an_inflation_from_the_institute_stands_in_for_that_of_the_bank(desk, world):
    world.down("bcb_sgs")
    done = desk.etl("economic", "--series", "ipca")
    assert {row["source"] for row in desk.rows("economic", "ipca")} == {"ibge_sidra"}
    assert "degraded: bcb_sgs: ipca" in done.stderr


def test_a_revision_of_the_second_day_is_a_row_known_from_that_day_on(desk, world):
    desk.etl("economic")
    before = desk.rows("economic", "usd_brl")
    desk.next_day()
    world.revised["ptax", "2026-11-12"] = 9.0
    desk.etl("economic")
    added = [row for row in desk.rows("economic", "usd_brl") if row not in before]
    assert [
        (row["ref_date"].date(), row["available_at"].date(), row["value"]) for row in added
    ] == [(date(2026, 11, 12), date(2026, 11, 21), 9.0)]
    assert all(row in desk.rows("economic", "usd_brl") for row in before)


def test_a_source_that_is_down_is_replaced_and_that_is_said(desk, world):
    world.down("open_meteo")
    done = desk.etl("climate")
    rows = desk.rows("climate")
    assert {row["source"] for row in rows} == {"inmet"}
    assert {row["region"] for row in rows} == {"salvador_ba", "sao_paulo_sp"}
    assert "degraded: open_meteo: " in done.stderr
    assert "inmet" in done.stdout


def test_a_stand_in_that_is_late_leaves_the_newest_days_to_the_next_one(desk, world):
    """INMET's file of the year ends weeks ago; NASA POWER has the days since."""
    world.down("open_meteo")
    until = world.day
    desk.etl("climate")
    world.servers["inmet"].routes = {"/": world.servers["inmet"].routes["/"](AS_OF_YEAR)}
    desk.next_day(8)
    done = desk.etl("climate")
    rows = desk.rows("climate", "temperature_avg_c", "salvador_ba")
    later = {row["source"] for row in rows if row["ref_date"].date() > until}
    assert later == {"nasa_power"}
    assert "no source served" not in done.stderr


def test_the_first_source_takes_over_again_from_where_it_left_off(desk, world):
    desk.etl("economic", "--series", "usd_brl")
    world.down("bcb_ptax")
    desk.next_day(3)
    desk.etl("economic", "--series", "usd_brl")
    world.restore()
    desk.next_day(20)
    desk.etl("economic", "--series", "usd_brl")
    assert "@dataInicial='11-10-2026'" in world.targets("bcb_ptax")[0]
    newest = desk.rows("economic", "usd_brl")[-1]
    assert (newest["source"], newest["ref_date"].date()) == ("bcb_ptax", date(2026, 12, 11))


@pytest.mark.parametrize("domain", DOMAINS)
def test_with_everything_down_and_nothing_stored_it_fails_in_one_line(desk, world, domain):
    world.down()
    done = desk.etl(domain, expect=3)
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {domain}: nothing usable is stored, and no source served")
    assert "import_history.py" in last
    assert not desk.path(domain).exists()


FAILURES = {
    "page": Reply(200, sky.HTML_CP1252, {"Content-Type": "text/html"}),
    "xhtml": Reply(200, money.XHTML),
    "empty": Reply(200, b""),
    "text": Reply(200, money.TEXT, {"Content-Type": "text/plain"}),
    "truncated": Reply(200, b'{"value": [{"SERCODIGO": "EIA366_PBR'),
    "error with 200": Reply(200, sky.OPEN_METEO_WRONG, {"Content-Type": "application/json"}),
    "no rows": Reply(200, b"[]"),
    "no values": Reply(200, b'{"value": []}'),
    "no ZIP": Reply(200, b"PK\x03\x04 and then nothing", {"Content-Type": "application/zip"}),
    "forbidden": Reply(403, b"Forbidden"),
    "gone": Reply(410, money.YAHOO_NOT_FOUND),
    "rest": Reply(429, money.TEXT, {"Retry-After": "3600"}),
    "infinite": Reply(200, b'[{"data":"05/11/2026","valor":"Infinity"}]'),
}


def expect_no_harm(desk, domain, replies):
    desk.etl(domain)
    before = {table: desk.stored(table) for table in TABLES}
    for name, reply in replies.items():
        desk.world.down(*ADDRESSES, reply=reply)
        done = desk.next_etl(domain)
        assert {table: desk.stored(table) for table in TABLES} == before, name
        assert "degraded: " in done.stderr, name


def test_a_page_instead_of_data_touches_nothing_that_is_stored(desk):
    expect_no_harm(desk, "prices", {name: FAILURES[name] for name in ("page", "truncated")})


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_no_answer_however_bad_touches_what_is_stored(desk, domain):
    expect_no_harm(desk, domain, FAILURES)


def test_a_city_that_fails_is_asked_again_from_the_start(desk, world):
    """A hole below the newest rows must not stay."""
    good = world.servers["open_meteo"].routes
    sao_paulo = {"/v1/archive?latitude=-23.55": Reply(400, sky.OPEN_METEO_RANGE)}
    world.servers["open_meteo"].routes = sao_paulo | good
    world.down("inmet", "nasa_power")
    done = desk.etl("climate")
    assert "degraded: no source served 'temperature_avg_c of sao_paulo_sp'" in done.stderr
    assert {row["region"] for row in desk.rows("climate")} == {"salvador_ba"}
    desk.next_day()
    world.servers["open_meteo"].routes = good
    desk.etl("climate")
    starts = {r.query["latitude"]: r.query["start_date"] for r in world.servers["open_meteo"].log}
    assert starts == {"-12.97": "2026-11-10", "-23.55": "2026-09-01"}


NO_ANSWER_AT_ALL = {
    "refused": Reply(403, b"no"),
    "a bare 404 of a bad day": Reply(404, b"<html>404 Not Found</html>"),
    "not found, for years": Reply(404, money.SGS_NOT_FOUND),
    "an empty list for years": Reply(200, b"[]"),
}


@pytest.mark.parametrize("failure", NO_ANSWER_AT_ALL.values(), ids=NO_ANSWER_AT_ALL)
@pytest.mark.parametrize("at", [1, 2], ids=["the middle", "the end"])
def test_a_window_that_fails_leaves_no_hole_and_dates_nothing_late(desk, world, at, failure):
    """The other windows are stored; the next night asks from the start."""
    desk.set(HISTORY_START="2014-01-02")
    good = world.servers["bcb_sgs"].routes["/"]
    answers = [*[good] * at, failure, good]
    world.servers["bcb_sgs"].routes = {"/": answers}
    done = desk.etl("economic", "--series", "selic")
    assert "degraded: bcb_sgs: selic" in done.stderr
    days = {row["ref_date"].date() for row in desk.rows("economic", "selic")}
    assert (world.day in days) == (at == 1)
    assert len(days) < 4000
    world.restore()
    desk.next_etl("economic", "--series", "selic")
    rows = desk.rows("economic", "selic")
    days = {row["ref_date"].date() for row in rows}
    assert len(days) == (world.day - date(2014, 1, 2)).days + 1
    assert all(row["ref_date"] == row["available_at"] for row in rows)


def test_a_history_that_starts_earlier_in_the_settings_is_asked_for(desk, world):
    desk.etl("economic", "--series", "selic")
    desk.set(HISTORY_START="2026-05-01")
    desk.next_etl("economic", "--series", "selic")
    assert "dataInicial=01/05/2026" in world.targets("bcb_sgs")[0]
    first = desk.rows("economic", "selic")[0]
    assert first["ref_date"] == first["available_at"]  # no look had asked for that day


def test_a_city_that_is_new_in_the_settings_gets_its_whole_history(desk, world):
    desk.etl("climate")
    desk.next_day()
    desk.set(SITES="salvador_ba:-12.97:-38.51:A401,recife_pe:-8.05:-34.88:A301")
    desk.etl("climate")
    starts = {r.query["latitude"]: r.query["start_date"] for r in world.servers["open_meteo"].log}
    assert starts == {"-12.97": "2026-11-10", "-8.05": "2026-09-01"}
    assert {row["region"] for row in desk.rows("climate")} == {
        "salvador_ba", "sao_paulo_sp", "recife_pe",
    }  # fmt: skip


def test_a_file_read_for_one_table_is_read_for_another_as_well(desk, world):
    """The dollar of IPEADATA is in two tables: "unchanged" for one says nothing of the other."""
    world.down("bcb_ptax", "bcb_sgs")
    desk.etl("economic", "--series", "usd_brl")
    desk.etl("prices", "--series", "USD/BRL")
    both = [
        [row["value"] for row in desk.rows(table, series)]
        for table, series in (("economic", "usd_brl"), ("prices", "USD/BRL"))
    ]
    assert both[0] == both[1]
    assert len(both[0]) > 40


def test_dividends_are_in_a_table_of_their_own(desk, world):
    world.revised["dividend", "2026-10-14"] = True
    desk.etl("prices")
    (row,) = desk.rows("dividends")
    assert (row["series"], row["value"], row["currency"]) == ("PETR4/dividend", 1.25, "BRL")
    assert row["ref_date"].date() == date(2026, 10, 14)
    assert not [row for row in desk.rows("prices") if "/d" in row["series"]]


def test_a_second_source_of_quotes_is_compared_and_its_differences_are_said(desk, world):
    desk.set(ALPHAVANTAGE_API_KEY="S3CR3T")
    world.revised["av", "2026-11-18"] = 40.0
    done = desk.etl("prices", "--series", "PETR4")
    assert "values of alpha_vantage differ by more than 0.5% from those stored" in done.stderr
    assert "S3CR3T" not in done.output
    assert {row["source"] for row in desk.rows("prices", "PETR4")} == {"yahoo"}


def test_a_comparison_that_fails_degrades_nothing(desk, world):
    desk.set(ALPHAVANTAGE_API_KEY="S3CR3T")
    world.down("alpha_vantage", reply=Reply(200, money.AV_NOTE))
    done = desk.etl("prices", "--series", "PETR4")
    assert "degraded" not in done.stderr
    assert "not compared: alpha_vantage: PETR4" in done.stderr


def test_a_silence_that_is_too_long_is_said(desk, world):
    desk.etl("economic")
    world.down()
    desk.next_day(60)
    done = desk.etl("economic")
    assert "stale: selic: the last value is of 2026-11-20" in done.stderr
    assert done.stdout.splitlines()[0].split() == [
        "series", "regions", "rows", "new", "revised", "last", "source", "lag",
    ]  # fmt: skip


def test_since_asks_again_for_all_from_that_day_on(desk, world):
    desk.etl("economic", "--series", "usd_brl")
    desk.next_etl("economic", "--series", "usd_brl", "--since", "2026-10-05")
    assert "@dataInicial='10-05-2026'" in world.targets("bcb_ptax")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--series", "usd_brl,euro"], r"--series: 1 of 2 are not known: 'euro'"),
        (["--series", " , "], "--series names nothing"),
        (["--since", "2027-01-01"], "--since 2027-01-01 is after 2026-11-20"),
        (["--since", "2026-01-01", "--reparse"], "--since asks sources and --reparse asks none"),
    ],
    ids=["unknown", "empty", "future", "both"],
)
def test_options_that_cannot_be_used_are_said_in_one_line(desk, world, arguments, message):
    done = desk.etl("economic", *arguments, expect=2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not world.asked()


def test_a_day_before_that_of_an_earlier_run_is_refused(desk, world):
    desk.etl("economic", "--series", "selic")
    before = desk.stored("economic")
    desk.next_day(-1)
    done = desk.etl("economic", "--series", "selic", expect=2)
    assert "today is 2026-11-19 (TODAY, else the clock in America/Bahia)" in done.stderr
    assert "economic has a run of 2026-11-20" in done.stderr
    assert desk.stored("economic") == before


def test_the_log_says_what_was_left_out_and_holds_no_key(desk, world):
    desk.set(ALPHAVANTAGE_API_KEY="S3CR3T")
    desk.etl("prices")
    log = (desk.folder / "logs" / "price_etl.jsonl").read_text()
    assert "values are null" in log
    stored = [path.read_bytes() for path in (desk.folder / "data").rglob("*") if path.is_file()]
    assert "S3CR3T" not in log
    assert not [content for content in stored if b"S3CR3T" in content]
    assert all(json.loads(line)["run_id"] for line in log.splitlines())


SLOW_REPLIES = {
    "slow": Reply(200, b"[]" * 100, delay=5.0),
    "dropped": Reply(NO_ANSWER),
    "too many": Reply(429, money.TEXT),
    "dripping": Reply(200, b" " * 4000 + b"[]", drip=400),
    "cut": Reply(200, b"[1, 2, 3]", drop_after=3),
    "busy": Reply(503, b"", {"Retry-After": "1"}),
}
HELD_UP = list(product(DOMAINS, SLOW_REPLIES))
if not os.environ.get("DRILLS"):
    HELD_UP = list(zip(cycle(DOMAINS), SLOW_REPLIES, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "reply"), HELD_UP)
def test_no_service_holds_a_command_up_beyond_the_time_limit(desk, world, domain, reply):
    """Each way once; by make drills in each domain."""
    desk.etl(domain)
    before = desk.stored(domain)
    world.down(*ADDRESSES, reply=SLOW_REPLIES[reply])
    desk.set(HTTP_TIME_LIMIT="2")
    desk.next_day()
    start = time.monotonic()
    done = desk.etl(domain)
    # Reading and writing the tables comes on top, on a busy machine too; the default is 210 s.
    assert time.monotonic() - start < 2 + 15.0
    assert "degraded" in done.stderr
    assert desk.stored(domain) == before

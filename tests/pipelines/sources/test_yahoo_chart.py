import json
import time

import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.yahoo_chart import YahooChart
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    YAHOO_NOT_FOUND,
    YAHOO_UNAUTHORIZED,
    answered,
    as_json,
    epoch,
    preliminary_days,
    session_opens,
    utc_midnight,
    values_of,
    wanted,
    yahoo,
    yahoo_no_bars,
)

SOURCE = YahooChart("http://x")
DAYS = ("2025-03-05", "2025-03-06", "2025-03-07")


def parse(tmp_path, body, *, day="2025-03-10", code="PETR4.SA", **window):
    (call,) = SOURCE.calls([wanted("PETR4", code, **window)])
    return SOURCE.parse(call, answered(tmp_path, body, day=day))


def bars(closes):
    return [(session_opens(day), close) for day, close in closes.items()]


def test_the_request_names_both_ends_in_seconds_and_the_second_one_is_excluded():
    (call,) = SOURCE.calls([wanted("PETR4", "PETR4.SA", first="2018-01-02", last="2025-03-10")])
    # date -u -d 2018-01-02 +%s = 1514851200; date -u -d 2025-03-11 +%s = 1741651200
    assert call.url == (
        "http://x/v8/finance/chart/PETR4.SA?period1=1514851200&period2=1741651200"
        "&interval=1d&includePrePost=false&events=div,splits,capitalGains"
    )
    # bare library names are refused
    assert dict(call.headers)["User-Agent"].startswith("Mozilla/5.0 (compatible; previsor/")


def test_the_ends_do_not_depend_on_where_the_job_runs(monkeypatch):
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    time.tzset()
    try:
        (call,) = SOURCE.calls([wanted("PETR4", "PETR4.SA", first="2018-01-02")])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "?period1=1514851200&" in call.target


def test_a_symbol_is_quoted_in_the_path():
    calls = SOURCE.calls([wanted("IBOVESPA", "^BVSP"), wanted("BRENT", "BZ=F")])
    assert [call.target.split("?")[0] for call in calls] == [
        "/v8/finance/chart/%5EBVSP",
        "/v8/finance/chart/BZ=F",
    ]


def test_closes_are_raw_and_null_rows_are_left_out(tmp_path):
    found = parse(tmp_path, yahoo(bars(dict(zip(DAYS, (35.4, None, 36.1), strict=True)))))
    assert values_of(found) == {"2025-03-05": 35.4, "2025-03-07": 36.1}
    assert found.notes == ("1 of 3 values are null",)
    assert preliminary_days(found) == []


@pytest.mark.parametrize(
    ("moment", "offset", "day"),
    [
        pytest.param("2025-03-06 10:00", -3, "2025-03-06", id="opening"),
        pytest.param("2018-11-05 23:00", -2, "2018-11-06", id="summer time, an hour early"),
        pytest.param("2018-02-19 22:00", -3, "2018-02-20", id="summer time, two hours early"),
        pytest.param("2018-02-20 00:00", -3, "2018-02-20", id="midnight"),
        pytest.param("2025-03-06 17:00", -3, "2025-03-06", id="last trade"),
    ],
)
def test_a_bar_belongs_to_the_day_of_its_session_in_sao_paulo(tmp_path, moment, offset, day):
    body = yahoo([(epoch(moment, hours=offset), 35.0)])
    assert values_of(parse(tmp_path, body, first="2018-01-01")) == {day: 35.0}


def test_the_time_zone_is_that_of_the_exchange(tmp_path):
    # 02:00 UTC on the 7th is still the 6th in New York, at 21:00
    meta = {"exchangeTimezoneName": "America/New_York", "currency": "USD"}
    body = yahoo([(epoch("2025-03-07 02:00", hours=0), 70.0)], meta=meta, symbol="BZ=F")
    assert values_of(parse(tmp_path, body, code="BZ=F")) == {"2025-03-06": 70.0}


def test_of_a_live_bar_that_is_given_twice_the_last_counts_and_is_preliminary(tmp_path):
    given = [*bars(dict(zip(DAYS, (35.4, 35.8, 36.1), strict=True))),
             (epoch("2025-03-07 17:07"), 36.3)]  # fmt: skip
    found = parse(tmp_path, yahoo(given), day="2025-03-07")
    assert values_of(found)["2025-03-07"] == 36.3
    assert preliminary_days(found) == ["2025-03-07"]
    assert found.notes == ("1 of 4 values are of a day given twice, the last counts",)


TRADING = {"currentTradingPeriod": {"regular": {"start": epoch("2025-03-07 10:00"),
                                                "end": epoch("2025-03-07 17:00")}}}  # fmt: skip


def test_the_bar_of_a_session_that_is_still_open_is_left_out_and_counted(tmp_path):
    meta = {**TRADING, "regularMarketTime": epoch("2025-03-07 14:30")}
    given = [*bars(dict(zip(DAYS, (35.4, 35.8, 36.1), strict=True))),
             (epoch("2025-03-07 14:30"), 36.3)]  # fmt: skip
    found = parse(tmp_path, yahoo(given, meta=meta), day="2025-03-07")
    assert list(values_of(found)) == ["2025-03-05", "2025-03-06"]
    assert found.notes == ("2 of 4 bars are of the running session",)


def test_the_bar_of_a_session_that_is_over_stays(tmp_path):
    meta = {**TRADING, "regularMarketTime": epoch("2025-03-07 17:07")}
    body = yahoo(bars(dict(zip(DAYS, (35.4, 35.8, 36.1), strict=True))), meta=meta)
    found = parse(tmp_path, body, day="2025-03-07")
    assert list(values_of(found)) == list(DAYS)
    assert preliminary_days(found) == ["2025-03-07"]


def test_infinity_is_no_close(tmp_path):
    body = yahoo(bars({"2025-03-05": 35.4, "2025-03-06": float("inf"), "2025-03-07": 36.1}))
    assert b"Infinity" in body
    found = parse(tmp_path, body)
    assert list(values_of(found)) == ["2025-03-05", "2025-03-07"]
    assert "1 of 3 values cannot be read" in found.notes[0]


def test_dividends_and_splits_are_series_of_their_own(tmp_path):
    body = yahoo(
        bars({"2025-03-05": 35.4}),
        dividends=[(session_opens("2025-03-06"), 0.83), (session_opens("2025-03-07"), 0.41)],
        splits=[(session_opens("2025-03-07"), 2, 1)],
    )
    found = parse(tmp_path, body)
    assert values_of(found, "PETR4") == {"2025-03-05": 35.4}
    assert values_of(found, "PETR4/dividend") == {"2025-03-06": 0.83, "2025-03-07": 0.41}
    assert values_of(found, "PETR4/split") == {"2025-03-07": 2.0}


def test_events_outside_the_window_or_without_a_ratio_are_counted(tmp_path):
    body = yahoo(
        bars({"2025-03-05": 35.4}),
        dividends=[(session_opens("2025-02-06"), 0.83)],
        splits=[(session_opens("2025-03-06"), 1, 0), (session_opens("2025-03-07"), 1, 10)],
    )
    found = parse(tmp_path, body)
    assert values_of(found, "PETR4/dividend") == {}
    assert values_of(found, "PETR4/split") == {"2025-03-07": 0.1}
    assert found.notes == (
        f"1 of 2 values cannot be read, first: '{session_opens('2025-03-06')}: 1:0'",
        "1 of 3 values are of days not asked for",
    )


def test_capital_gains_are_counted(tmp_path):
    answer = json.loads(yahoo(bars({"2025-03-05": 35.4})))
    gains = {"1": {"amount": 1.0, "date": session_opens("2025-03-05")}}
    answer["chart"]["result"][0]["events"] = {"capitalGains": gains}
    assert parse(tmp_path, as_json(answer)).notes == ("1 capital gains are left out",)


def test_no_bars_in_a_short_window_are_no_fault(tmp_path):
    # Saturday 1 to Wednesday 5 March 2025: carnival
    assert parse(tmp_path, yahoo_no_bars(), last="2025-03-05").rows.num_rows == 0


def test_no_bars_in_a_long_window_are_an_error(tmp_path):
    # 3 to 17 March 2025 are 11 business days
    with pytest.raises(SourceError, match=r"^yahoo: PETR4: no bars of 11 business days"):
        parse(tmp_path, yahoo_no_bars(), first="2025-03-03", last="2025-03-17")


def changed(**chart):
    answer = json.loads(yahoo(bars({"2025-03-05": 35.4, "2025-03-06": 35.9})))
    answer["chart"]["result"][0].update(chart)
    return as_json(answer)


@wrong_bodies(
    (YAHOO_NOT_FOUND, "the service says Not Found: No data found, symbol may be delisted"),
    (YAHOO_UNAUTHORIZED, "the service says Unauthorized: Invalid Crumb"),
    (b"{}", "changed format: a record without result, error"),
    (b"[]", "changed format: a record without result, error"),
    (b'{"chart": {"result": null, "error": null}}', "'result' is NoneType, not a list"),
    (b'{"chart": {"result": [], "error": null}}', "0 results, expected one"),
    (yahoo(bars({"2025-03-05": 1.0}), symbol="PETR3.SA"), "bars of another symbol: PETR3.SA"),
    (yahoo(bars({"2025-03-05": 1.0}), meta={"currency": "USD"}), "prices in USD, expected BRL"),
    (
        yahoo(bars({"2025-03-05": 1.0}), meta={"exchangeTimezoneName": "Mars/Olympus"}),
        "time zone that is not known: Mars/Olympus",
    ),
    (changed(meta={"symbol": "PETR4.SA", "currency": "BRL"}), "without exchangeTimezoneName"),
    (changed(timestamp=[utc_midnight("2025-03-05")]), "2 closes for 1 sessions"),
    (changed(indicators={}), "changed format: a record without quote"),
    (changed(timestamp=["x", "y"]), "2 of 2 values cannot be read"),
    (changed(timestamp=[1e300, 2e300]), "2 of 2 values cannot be read"),
    (changed(events={"dividends": {"1": {"amount": 1}}}), "a record without date"),
    (yahoo(bars({"2025-03-05": -1.0})), r"outside \[0.01, 1000\]"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"yahoo: PETR4: .*{cause}"):
        parse(tmp_path, body)

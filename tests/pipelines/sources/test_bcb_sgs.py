from datetime import date, timedelta
from itertools import pairwise

import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.bcb_sgs import BcbSgs
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    SGS_NOT_FOUND,
    SGS_TEN_YEARS,
    SGS_TOO_MANY,
    answered,
    as_json,
    sgs,
    values_of,
    wanted,
)
from tests.pipelines.sources.replay import Reply

SOURCE = BcbSgs("http://x")

DOLLAR = "1"  # the closing rate at which it is sold; 10813 is that at which it is bought


def only_call(series="usd_brl", code=DOLLAR, **window):
    (call,) = SOURCE.calls([wanted(series, code, **window)])
    return call


def parse(tmp_path, body, *, day="2025-03-10", **asked):
    return SOURCE.parse(only_call(**asked), answered(tmp_path, body, day=day))


def window_of(call):
    """First and last day as the service is asked for them."""
    query = dict(part.split("=") for part in call.target.split("?")[1].split("&"))
    return tuple(
        date(*map(int, reversed(query[name].split("/")))) for name in ("dataInicial", "dataFinal")
    )


def test_the_request_has_days_first_and_both_ends():
    call = only_call("selic", "432", first="2025-02-28", last="2025-03-10")
    assert call.url == (
        "http://x/dados/serie/bcdata.sgs.432/dados?formato=json"
        "&dataInicial=28/02/2025&dataFinal=10/03/2025"
    )
    assert call.no_data == (404,)
    assert call.series == ("selic",)


@pytest.mark.parametrize(
    ("code", "first", "last", "may_be"),
    [
        # Monday 2 March 2026 to Friday 13: ten business days; with Monday 16: eleven
        pytest.param("432", "2026-03-02", "2026-03-15", True, id="two weeks of a daily series"),
        pytest.param("432", "2026-03-02", "2026-03-16", False, id="a business day more"),
        pytest.param("99999", "2021-03-03", "2026-03-02", False, id="years of any other series"),
        pytest.param("433", "2026-09-01", "2026-11-30", True, id="three months"),
        pytest.param("433", "2026-08-01", "2026-11-01", False, id="four months"),
        pytest.param("24363", "2021-11-01", "2026-11-20", False, id="years of months"),
        pytest.param("433", "2025-12-01", "2026-02-20", True, id="three months of two years"),
        pytest.param("432", "1994-03-01", "1999-02-26", True, id="before the series begins"),
        pytest.param("432", "1994-03-06", "1999-03-05", False, id="up to its first day"),
    ],
)
def test_only_a_short_window_may_be_empty(tmp_path, code, first, last, may_be):
    asked = {"series": "x", "code": code, "first": first, "last": last}
    call = only_call(**asked)
    assert call.no_data == ((404,) if may_be else ())
    for body in (b"[]", SGS_NOT_FOUND):
        if may_be:
            assert parse(tmp_path, body, **asked).rows.num_rows == 0
        else:
            with pytest.raises(SourceError, match=f"no values from {first} to {last}, which is"):
                parse(tmp_path, body, **asked)


def test_the_dollar_is_asked_for_as_it_is_sold():
    assert "/bcdata.sgs.1/" in only_call("usd_brl", DOLLAR).target


@pytest.mark.parametrize("code", ["1", "11", "432", "1178", "99999"])
@pytest.mark.parametrize("first", ["1999-03-05", "2015-01-01", "2016-02-29", "2026-11-20"])
def test_no_window_of_a_daily_series_is_longer_than_five_years_and_none_leaves_a_gap(code, first):
    calls = SOURCE.calls([wanted("x", code, first=first, last="2026-11-20")])
    windows = [window_of(call) for call in calls]
    assert windows[0][0] == date.fromisoformat(first)
    assert windows[-1][1] == date(2026, 11, 20)
    assert all(end - start <= timedelta(days=5 * 365) for start, end in windows)
    # the first rows of a window go missing at times: the window before has them as well
    assert all(after[0] <= before[1] - timedelta(days=9) for before, after in pairwise(windows))


@pytest.mark.parametrize("code", ["189", "433", "24363", "24364"])
def test_a_monthly_series_is_asked_for_at_once_from_the_first_of_a_month(code):
    call = only_call("ipca", code, first="2000-01-15", last="2026-11-20")
    assert window_of(call) == (date(2000, 1, 1), date(2026, 11, 20))


@pytest.mark.parametrize("code", ["1", "433"])
def test_a_window_that_starts_after_its_end_is_not_asked_for(code):
    assert SOURCE.calls([wanted("x", code, first="2025-03-11", last="2025-03-10")]) == ()


def test_values_are_texts_with_a_decimal_point(tmp_path):
    found = parse(tmp_path, sgs({"2025-03-05": "5.7833", "2025-03-06": "5.7568"}))
    assert values_of(found) == {"2025-03-05": 5.7833, "2025-03-06": 5.7568}
    assert found.notes == ()
    assert found.rows["region"].null_count == 2


def test_a_month_is_dated_on_its_first_day_and_an_end_of_period_is_left_alone(tmp_path):
    body = as_json([{"data": "01/02/2025", "datafim": "28/02/2025", "valor": "1.31"}])
    found = parse(tmp_path, body, series="ipca", code="433", first="2025-02-20")
    assert values_of(found) == {"2025-02-01": 1.31}


def test_the_target_rate_of_coming_days_is_left_out_and_counted(tmp_path):
    body = sgs({"2025-03-09": "13.25", "2025-03-10": "13.25", "2025-03-11": "14.25"})
    found = parse(tmp_path, body, series="selic", code="432", last="2025-03-19")
    assert values_of(found) == {"2025-03-09": 13.25, "2025-03-10": 13.25}
    assert found.notes == ("1 of 3 values are of days after 2025-03-10",)


def test_a_null_or_wrong_value_leaves_its_neighbours(tmp_path):
    body = as_json([{"data": day, "valor": value} for day, value in
                    [("05/03/2025", "5.78"), ("06/03/2025", None), ("07/03/2025", ""),
                     ("08/03/2025", "5.80"), ("31/02/2025", "5.81")]])  # fmt: skip
    found = parse(tmp_path, body)
    assert values_of(found) == {"2025-03-05": 5.78, "2025-03-08": 5.8}
    assert found.notes[0] == "2 of 5 values are null"
    assert found.notes[1] == "1 of 5 values cannot be read, first: '31/02/2025: 5.81'"


@wrong_bodies(
    (SGS_TEN_YEARS, "the service says O sistema aceita uma janela .* 10 anos"),
    (SGS_TOO_MANY, r"the service says br.gov.bcb.SGSNegocioException: .* 20 \(400\)"),
    (b'{"x": 1}', "changed format: an object with x"),
    (b"{}", "changed format: an object with nothing"),
    (b'[{"date": "05/03/2025", "valor": "1"}]', "changed format: a record without data"),
    (b'["05/03/2025"]', "changed format: a record without data, valor"),
    (b'[{"data": "05/03/2025", "valor": "5,7833"}]', "1 of 1 values cannot be read"),
    (b'[{"data": "2025-03-05", "valor": "5.7833"}]', "1 of 1 values cannot be read"),
    (b'[{"data": "05/03/2025", "valor": "57833"}]', r"outside \[0.5, 25\]"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"bcb_sgs: usd_brl: .*{cause}"):
        parse(tmp_path, body)


def test_over_the_wire_nothing_in_the_window_is_no_fault(server, client):
    source = BcbSgs(server.base)
    server.routes["/dados"] = Reply(404, SGS_NOT_FOUND)
    (call,) = source.calls([wanted("usd_brl", DOLLAR)])
    assert client.fetch(call, pause=0.0).outcome == "no_data"


@pytest.mark.parametrize(
    ("body", "first"),
    [
        pytest.param(b"", "2025-03-01", id="nothing"),
        pytest.param(b"<html>404 Not Found</html>", "2025-03-01", id="a page"),
        pytest.param(b"Value(s) not found", "2025-03-01", id="a text"),
        pytest.param(SGS_TOO_MANY, "2025-03-01", id="another error"),
        pytest.param(SGS_NOT_FOUND, "2021-03-01", id="not found in five years"),
    ],
)
def test_over_the_wire_every_other_404_is_a_fault(server, client, body, first):
    server.routes["/dados"] = Reply(404, body)
    (call,) = BcbSgs(server.base).calls([wanted("usd_brl", DOLLAR, first=first)])
    with pytest.raises(SourceError, match=r"^bcb_sgs: usd_brl: .* answered 404 Not Found"):
        client.fetch(call, pause=0.0)

import json

import pytest
from pydantic import SecretStr

from pipelines.sources.alpha_vantage import AlphaVantage
from pipelines.sources.base import SourceError
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    AV_BURST,
    AV_INVALID,
    AV_NOTE,
    AV_PREMIUM,
    AV_QUOTA,
    alpha_vantage,
    answered,
    over_the_wire,
    preliminary_days,
    values_of,
    wanted,
)
from tests.pipelines.sources.replay import Reply

KEY = "Demo-Key-91"
SOURCE = AlphaVantage("http://x", SecretStr(KEY))


def only_call(code="PETR4.SA", **window):
    (call,) = SOURCE.calls([wanted("PETR4", code, **window)])
    return call


def parse(tmp_path, body, *, day="2025-03-10", **window):
    return SOURCE.parse(only_call(**window), answered(tmp_path, body, day=day))


def test_the_request_names_the_exchange_as_this_service_does_and_not_the_key():
    assert only_call().url == (
        "http://x/query?function=TIME_SERIES_DAILY&symbol=PETR4.SAO"
        "&outputsize=compact&datatype=json"
    )
    assert only_call().secret == ("apikey", SecretStr(KEY))


@pytest.mark.parametrize(
    ("code", "symbol"), [("PETR4.SA", "PETR4.SAO"), ("PETR4.SAO", "PETR4.SAO"), ("IBM", "IBM")]
)
def test_only_the_suffix_of_sao_paulo_is_written_otherwise(code, symbol):
    assert f"&symbol={symbol}&" in only_call(code).target


def test_the_key_is_nowhere_but_in_its_place():
    call = only_call()
    written = json.dumps([call.target, dict(call.context), call.headers, call.series])
    assert KEY not in written
    assert KEY not in repr(call)
    assert KEY not in repr(SOURCE)


def test_without_a_key_it_is_not_asked():
    with pytest.raises(
        SourceError, match=r"^alpha_vantage: PETR4: no key; set ALPHAVANTAGE_API_KE"
    ):
        AlphaVantage("http://x", SecretStr("")).calls([wanted("PETR4", "PETR4.SA")])


def test_closes_are_texts_newest_first_and_come_out_sorted(tmp_path):
    found = parse(tmp_path, alpha_vantage({"2025-03-05": "35.4000", "2025-03-06": "35.8000"}))
    assert list(values_of(found).items()) == [("2025-03-05", 35.4), ("2025-03-06", 35.8)]
    assert preliminary_days(found) == []


def test_the_bar_of_the_day_of_the_run_is_preliminary(tmp_path):
    body = alpha_vantage({"2025-03-05": "35.4000", "2025-03-06": "35.8000"})
    assert preliminary_days(parse(tmp_path, body, day="2025-03-06")) == ["2025-03-06"]


def test_a_hundred_sessions_may_be_fewer_than_asked_for_and_that_is_said(tmp_path):
    body = alpha_vantage({"2025-02-28": "34.0", "2025-03-05": "35.4"})
    short = parse(tmp_path, body, first="2015-01-01")
    assert short.notes == ("sessions begin on 2025-02-28, 2015-01-01 was asked for",)
    enough = parse(tmp_path, body, first="2025-03-01")
    assert enough.notes == ("1 of 2 values are of days not asked for",)
    assert list(values_of(enough)) == ["2025-03-05"]


QUOTA = AV_QUOTA.format(key=KEY).encode()


@wrong_bodies(
    (QUOTA, r"used up, it starts again at midnight UTC: 'We have .* API key as \*\*\* and"),
    (AV_PREMIUM, "not part of the free service: 'Thank you"),
    (AV_BURST, "too many requests at once: 'Please consider"),
    (AV_NOTE, "the quota of the day is used up.*500 calls per day"),
    (AV_INVALID, "the service refuses: 'Invalid API call"),
    (b"{}", "an empty object"),
    (b"[]", "an empty object"),
    (b'{"Meta Data": {"2. Symbol": "PETR4.SAO"}}', r"a record without Time Series \(Daily\)"),
    (alpha_vantage({}), "a series without sessions"),
    (alpha_vantage({"2025-03-05": "1"}, symbol="PETR3.SAO"), "of another symbol: 'PETR3.SAO'"),
    (alpha_vantage({"2025-03-05": "35,4"}), "1 of 1 values cannot be read"),
    (alpha_vantage({"2025-03-05": "35400"}), r"outside \[0.01, 1000\]"),
    (alpha_vantage({"05/03/2025": "35.4"}), "1 of 1 values cannot be read"),
    (alpha_vantage({"2025-03-05": "1"}).replace(b"4. close", b"4. x"), "without 4. close"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"alpha_vantage: PETR4: .*{cause}") as caught:
        parse(tmp_path, body)
    assert KEY not in str(caught.value)


def test_over_the_wire_the_key_is_sent_and_stays_out_of_the_message(server, client):
    source = AlphaVantage(server.base, SecretStr(KEY))
    server.routes["/query"] = [Reply(body=alpha_vantage({"2025-03-05": "35.4"})), Reply(body=QUOTA)]
    call, again = source.calls([wanted("PETR4", "PETR4.SA"), wanted("PETR4", "PETR4.SA")])
    assert values_of(over_the_wire(source, call, client)) == {"2025-03-05": 35.4}
    with pytest.raises(SourceError, match="the quota of the day is used up") as caught:
        over_the_wire(source, again, client)
    assert KEY not in str(caught.value)
    assert server.targets()[0] == (
        "/query?function=TIME_SERIES_DAILY&symbol=PETR4.SAO"
        f"&outputsize=compact&datatype=json&apikey={KEY}"
    )

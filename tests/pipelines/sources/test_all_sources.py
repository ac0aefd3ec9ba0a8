"""What holds for every source of JSON: its address is sent as written, a window without days is
not asked for, and whatever comes instead of data is one line, never a crash."""

import json
from copy import deepcopy

import pytest
from pydantic import SecretStr

from pipelines.sources.alpha_vantage import AlphaVantage
from pipelines.sources.base import OBSERVATIONS, SourceError
from pipelines.sources.bcb_ptax import BcbPtax
from pipelines.sources.bcb_sgs import BcbSgs
from pipelines.sources.ibge_sidra import IbgeSidra
from pipelines.sources.ipeadata import Ipeadata
from pipelines.sources.nasa_power import NasaPower
from pipelines.sources.open_meteo import OpenMeteo
from pipelines.sources.yahoo_chart import YahooChart
from tests.pipelines.sources import payloads_money as money
from tests.pipelines.sources import payloads_sky as sky
from tests.pipelines.sources.conftest import one_line
from tests.pipelines.sources.payloads_money import NO_JSON, answered, as_json, session_opens
from tests.pipelines.sources.replay import Reply

STRANGE = (None, True, "chart", "", -1, 1e300, [], {}, [None], ["chart"], {"": None})
OPENING = session_opens("2025-03-06")
TRADING = {
    "regularMarketTime": OPENING,
    "currentTradingPeriod": {"regular": {"end": session_opens("2025-03-07")}},
}
BARS = money.yahoo(
    [(OPENING, 35.0)], meta=TRADING, dividends=[(OPENING, 0.5)], splits=[(OPENING, 2, 1)]
)
DAYS = ("2025-03-01", "2025-03-10")
RAIN = ("precipitation_mm", "salvador_ba")
GOOD = {
    "bcb_sgs": (BcbSgs, ("usd_brl", "1"), money.sgs({"2025-03-06": "5.7"})),
    "bcb_ptax": (BcbPtax, ("usd_brl", "USD"), money.ptax({"2025-03-06": 5.7})),
    "ibge_sidra": (IbgeSidra, ("ipca", "1737/63"), money.sidra({"202503": "1"})),
    "ipeadata": (Ipeadata, ("Brent", "B"), money.ipeadata_metadata("B", multiplier="mil")),
    "ipeadata values": (Ipeadata, ("Brent", "B"), money.ipeadata_values("B", {"2025-03-06": 0.07})),
    "yahoo": (YahooChart, ("PETR4", "PETR4.SA"), BARS),
    "alpha_vantage": (
        lambda base: AlphaVantage(base, SecretStr("Key-9")),
        ("PETR4", "PETR4.SA"),
        money.alpha_vantage({"2025-03-06": "35.0"}),
    ),
    "open_meteo": (OpenMeteo, RAIN, sky.open_meteo(*DAYS, variables=["precipitation_sum"])),
    "nasa_power": (NasaPower, RAIN, sky.nasa_power(*DAYS, parameters=["PRECTOTCORR"])),
}
every_source = pytest.mark.parametrize("name", GOOD)


def wanted(name, **window):
    of = sky if GOOD[name][1] is RAIN else money
    return of.wanted(*GOOD[name][1], **window)


def source_and_call(name, tmp_path, base="http://x"):
    source = GOOD[name][0](base)
    (call,) = source.calls([wanted(name)])
    if name == "ipeadata values":
        (call,) = source.parse(call, answered(tmp_path, GOOD["ipeadata"][2])).then
    return source, call


@every_source
def test_the_address_is_sent_as_written_and_the_good_answer_is_read(server, client, tmp_path, name):
    source, call = source_and_call(name, tmp_path, server.base)
    server.routes["/"] = Reply(body=GOOD[name][2])
    body = client.fetch(call, pause=0).body.read_bytes()
    found = source.parse(call, answered(tmp_path, body))
    assert found.rows.schema == OBSERVATIONS
    assert found.rows.num_rows or found.then
    assert [target.removesuffix("&apikey=Key-9") for target in server.targets()] == [call.target]


@every_source
def test_a_window_that_starts_after_its_end_is_not_asked_for(name):
    assert GOOD[name][0]("http://x").calls([wanted(name, first="2025-03-11")]) == ()


@every_source
@pytest.mark.parametrize(("cause", "body"), NO_JSON.items(), ids=NO_JSON)
def test_what_is_no_json_is_one_line_with_source_series_and_cause(tmp_path, name, cause, body):
    source, call = source_and_call(name, tmp_path)
    with one_line(rf"{source.name}: {call.series[0]}: {cause}"):
        source.parse(call, answered(tmp_path, body))


def places(node, path=()):
    """The way to every value of a JSON document, the document itself included."""
    yield path
    if isinstance(node, dict | list):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in children:
            yield from places(child, (*path, key))


def put(document, path, value):
    """A copy with another value at one place."""
    if not path:
        return value
    changed = deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def outcome(source, call, answer):
    """What a refusal says; nothing of an answer that is read."""
    try:
        assert source.parse(call, answer).rows.schema == OBSERVATIONS
    except SourceError as error:
        return str(error)
    return ""


@every_source
def test_any_one_value_that_changes_is_read_or_refused(tmp_path, name):
    source, call = source_and_call(name, tmp_path)
    whole = json.loads(GOOD[name][2])
    documents = (put(whole, path, strange) for path in places(whole) for strange in STRANGE)
    said = [outcome(source, call, answered(tmp_path, as_json(doc))) for doc in documents]
    refusals = [text for text in said if text]
    assert len(refusals) > len(STRANGE)
    assert all(text.startswith(f"{source.name}: {call.series[0]}: ") for text in refusals)

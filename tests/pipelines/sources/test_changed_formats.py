"""Any one thing in a good answer may become something else: that is data or an error of its
source, never a crash."""

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
from pipelines.sources.yahoo_chart import YahooChart
from tests.pipelines.sources import payloads_money as payloads
from tests.pipelines.sources.payloads_money import answered, as_json, session_opens, wanted

STRANGE = (None, True, "chart", "", -1, 1e300, [], {}, [None], ["chart"], {"": None})
TRADING = {
    "regularMarketTime": session_opens("2025-03-06"),
    "currentTradingPeriod": {"regular": {"end": session_opens("2025-03-07")}},
}
GOOD = {
    "bcb_sgs": (BcbSgs("http://x"), ("usd_brl", "1"), payloads.sgs({"2025-03-06": "5.7"})),
    "bcb_ptax": (BcbPtax("http://x"), ("usd_brl", "USD"), payloads.ptax({"2025-03-06": 5.7})),
    "ibge_sidra": (IbgeSidra("http://x"), ("ipca", "1737/63"), payloads.sidra({"202503": "1"})),
    "ipeadata metadata": (
        Ipeadata("http://x"), ("Brent", "B"), payloads.ipeadata_metadata("B", multiplier="mil"),
    ),
    "ipeadata values": (
        Ipeadata("http://x"), ("Brent", "B"), payloads.ipeadata_values("B", {"2025-03-06": 70.0}),
    ),
    "yahoo": (
        YahooChart("http://x"), ("PETR4", "PETR4.SA"),
        payloads.yahoo(
            [(session_opens("2025-03-06"), 35.0)], meta=TRADING,
            dividends=[(session_opens("2025-03-06"), 0.5)],
            splits=[(session_opens("2025-03-06"), 2, 1)],
        ),
    ),
    "alpha_vantage": (
        AlphaVantage("http://x", SecretStr("k")), ("PETR4", "PETR4.SA"),
        payloads.alpha_vantage({"2025-03-06": "35.0"}),
    ),
}  # fmt: skip


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


def call_of(name, source, asked, tmp_path):
    (call,) = source.calls([wanted(*asked)])
    if name == "ipeadata values":
        (call,) = source.parse(call, answered(tmp_path, payloads.ipeadata_metadata("B"))).then
    return call


@pytest.mark.parametrize(("name", "good"), GOOD.items(), ids=GOOD)
def test_any_one_value_that_changes_is_read_or_refused(tmp_path, name, good):
    source, asked, body = good
    call = call_of(name, source, asked, tmp_path)
    whole = json.loads(body)
    documents = (put(whole, path, strange) for path in places(whole) for strange in STRANGE)
    said = [outcome(source, call, answered(tmp_path, as_json(doc))) for doc in documents]
    refusals = [text for text in said if text]
    assert len(refusals) > len(STRANGE)
    assert all(text.startswith(f"{source.name}: {asked[0]}: ") for text in refusals)


def outcome(source, call, answer):
    """What a refusal says; nothing of an answer that is read."""
    try:
        assert source.parse(call, answer).rows.schema == OBSERVATIONS
    except SourceError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "good"), GOOD.items(), ids=GOOD)
def test_the_good_answer_is_read(tmp_path, name, good):
    source, asked, body = good
    call = call_of(name, source, asked, tmp_path)
    assert source.parse(call, answered(tmp_path, body)).rows.schema == OBSERVATIONS

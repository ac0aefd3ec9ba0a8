"""Each rule: what closes it, what it lets pass, and that nothing else closes with it."""

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from ml.artifacts.documents import parse, to_bytes
from ml.errors import ConfigError
from ml.gate.facts import JudgedCase, Offenders, Orders, describe_forecasts, observe
from ml.gate.rules import RULES, check_names
from ml.gate.verdict import GateError, Verdict, judge, refuse_closed, to_document
from tests.ml.gate.builders import ITEMS, facts, rows, table

TODAY = date(2026, 11, 20)
PRICES = rows({"brent": 70.0}, kind="price", frequency="B", as_of="2026-11-18")
LATER = replace(facts(), version_id="20261121T021503Z-00000002")


def closed(now, before=None, *, today=TODAY, follows=None, **more):
    follows = before is not None if follows is None else follows
    case = JudgedCase(now, before, today, follows=follows, **more)
    return [one.name for one in judge(case).closed]


def changed(column, to, where="A"):
    """The usual rows, with a column of one item changed."""
    known = rows()
    values = [to if item == where else value for item, value in zip(
        known["item_id"].to_pylist(), known[column].to_pylist(), strict=True)]  # fmt: skip
    return facts(known.set_column(known.column_names.index(column), column, pa.array(values)))


def scaled(factor, items=ITEMS):
    return facts(rows({item: level * (factor if item in items else 1)
                       for item, level in ITEMS.items()}))  # fmt: skip


def test_a_sound_version_passes_alone_and_after_another():
    assert closed(facts()) == []
    assert closed(facts(), LATER) == []


SYNTHETIC = {"sources": {"demand": "synthetic_sample"}}
PLANTED = {
    "synthetic": (facts(**SYNTHETIC), None, ["synthetic"]),
    "synthetic after real": (
        facts(**SYNTHETIC), LATER, ["synthetic", "synthetic_after_real"]),
    "demand gone": (facts(PRICES), facts(pa.concat_tables([rows(), PRICES])), ["panels"]),
    "days became months": (
        facts(rows(frequency="MS", as_of="2026-10-01", horizon=1)), LATER,
        ["frequency"]),
    "two of six items gone": (
        facts(rows({k: v for k, v in ITEMS.items() if k not in "EF"})), LATER, ["items"]),
    "twice the items": (
        facts(rows(ITEMS | {f"0{item}": level for item, level in ITEMS.items()})), LATER,
        ["rows"]),
    "a shorter horizon": (facts(rows(horizon=4)), LATER, ["horizon"]),
    "an older file": (facts(rows(as_of="2026-11-16")), LATER, ["as_of"]),
    "days left out": (facts(rows(every=2)), None, ["calendar", "complete"]),
    "no stock any more": (
        facts(tables={k: v for k, v in facts().tables.items() if k != "inventory"}), LATER,
        ["tables"]),
    "a tenth set aside": (facts(tables=table("demand", set_aside=100)), LATER, ["quarantine"]),
    "ids written in two ways": (facts(tables=table("items", lacking=6)), None, ["ids_of_items"]),
    "half the stock's ids changed": (
        facts(tables=table("inventory", lacking=3)), LATER, ["ids_of_stock"]),
    "old stock": (facts(tables=table("inventory", last="2026-10-10")), None, ["stock_age"]),
    "no stock at all": (facts(tables=table("inventory", total=0.0)), LATER, ["stock"]),
    "stock in other units": (facts(tables=table("inventory", total=5e5)), LATER, ["stock"]),
    "crossing quantiles": (changed("q90", 0.0), None, ["order"]),
    "demand below zero": (changed("q05", -1.0), None, ["negative"]),
    "beyond all history": (scaled(60, "AE"), None, ["exploding"]),
    "everything x10": (scaled(10), facts(), ["exploding", "change", "change_of_items"]),
    "much of it x4": (scaled(4, "AC"), facts(), ["change_of_items"]),
    "many fallbacks": (
        facts(panels={"demand_d": replace(facts().panels["demand_d"],
                                          fallbacks=Offenders(2, ("A", "B")))}), LATER,
        ["fallbacks"]),
    "many refusals": (facts(refusals={"demand": 3}), LATER, ["refusals"]),
    "five times too high": (facts(bias={"demand": 4.1}), LATER, ["bias"]),
    "a sixth of it": (facts(bias={"demand": -0.84}), LATER, ["bias"]),
    "narrow intervals": (facts(coverage={"demand": 0.4}), LATER, ["coverage"]),
    "many orders": (facts(orders=Orders(90, 90, {})), facts(orders=Orders(90, 1, {})),
                    ["orders"]),
    "costs x100": (facts(orders=Orders(90, 30, {"BRL": 3e6})),
                   facts(orders=Orders(90, 30, {"BRL": 3e4})), ["order_value"]),
}  # fmt: skip


@pytest.mark.parametrize(("now", "before", "names"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_closes_its_rule_and_no_other(now, before, names):
    assert closed(now, before) == names


def test_every_rule_is_closed_by_some_fault():
    covered = {name for _, _, names in PLANTED.values() for name in names}
    assert covered | {"demand_age", "price_age"} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("frequency", "as_of", "last_good"),
    [  # a day is over on itself, a week six days later, a month with its last day
        pytest.param("D", "2026-10-10", date(2026, 11, 14), id="days"),
        pytest.param("W", "2026-10-05", date(2026, 11, 22), id="weeks"),
        pytest.param("MS", "2026-09-01", date(2026, 12, 14), id="months"),
    ],
)
def test_data_may_be_as_old_as_their_frequency_allows(frequency, as_of, last_good):
    now = facts(rows(frequency=frequency, as_of=as_of, horizon=1), tables=None)
    assert closed(now, today=last_good) == []
    assert closed(now, today=last_good.replace(day=last_good.day + 1)) == ["demand_age"]


def test_old_prices_close_and_the_sample_has_no_age():
    old = {"today": date(2027, 1, 5)}  # 48 days after the last one
    assert closed(facts(PRICES, tables=None), **old) == ["price_age"]
    assert closed(facts(**SYNTHETIC), allow_synthetic=True, **old) == []


@pytest.mark.parametrize(
    ("now", "before"),
    [
        pytest.param(scaled(1.6), facts(), id="half as much again"),
        pytest.param(scaled(9, "F"), facts(), id="one small item"),
        pytest.param(facts(rows({k: v for k, v in ITEMS.items() if k != "E"})), facts(),
                     id="one item gone"),
        pytest.param(facts(orders=Orders(72, 0, {})), facts(orders=Orders(72, 40, {"BRL": 9e3})),
                     id="all orders placed"),
        pytest.param(facts(rows(as_of="2026-12-30"), tables=None), facts(), id="no day in common"),
        pytest.param(facts(pa.concat_tables([rows(), PRICES])), facts(), id="prices as well"),
    ],
)  # fmt: skip
def test_what_happens_on_ordinary_nights_passes(now, before):
    assert closed(now, before) == []


def test_a_share_that_was_accepted_and_published_passes_the_next_night():
    worse = facts(tables=table("demand", set_aside=100), refusals={"demand": 3},
                  bias={"demand": 4.5})  # fmt: skip
    assert closed(worse, facts()) == ["quarantine", "refusals", "bias"]
    assert closed(worse, worse) == []
    nowhere = facts(tables=table("items", lacking=6))
    assert closed(nowhere, nowhere) == []


def test_made_up_results_follow_made_up_ones_where_allowed_and_never_real_ones():
    sample = facts(**SYNTHETIC)
    assert closed(sample, facts(**SYNTHETIC), allow_synthetic=True) == []
    assert closed(sample, LATER, allow_synthetic=True) == ["synthetic_after_real"]
    # of a version that cannot be read nobody knows that it is made up
    assert closed(sample, None, follows=True, allow_synthetic=True) == ["synthetic_after_real"]


def test_real_results_are_not_compared_with_a_rehearsal_before_them():
    assert closed(scaled(10), facts(**SYNTHETIC)) == ["exploding"]


def test_what_is_not_known_is_not_judged_and_says_so():
    nothing = facts(sources=None, panels={}, tables=None, bias={}, coverage={}, orders=None)
    verdicts = {one.verdict for one in judge(JudgedCase(nothing, nothing, TODAY)).rules}
    assert verdicts == {"not judged"}


def test_facts_do_not_depend_on_how_the_rows_are_cut():
    whole = rows({f"{n:03d}": float(n % 7) for n in range(60)}, horizon=9)
    scales = {f"{n:03d}": 1.0 for n in range(60)}
    parts, cuts = {}, [0, 9, 90, 99, 540]
    chunks = [whole.slice(a, b - a) for a, b in pairwise(cuts)]
    assert pa.concat_tables(observe(chunks, scales, parts)) == whole
    at_once = describe_forecasts(whole, scales)
    # A mean of 4, 5 or 6 is beyond three times 1: 8 + 8 + 8 of 60, hand-counted (0..59 mod 7).
    assert at_once["demand_d"].exploding == Offenders(24, ("004", "005", "006"))
    totals = [parts["demand_d"].totals, at_once["demand_d"].totals]
    assert list(totals[0]) == list(totals[1])
    np.testing.assert_allclose(*(list(one.values()) for one in totals), rtol=1e-5)
    assert replace(parts["demand_d"], totals={}) == replace(at_once["demand_d"], totals={})


def test_weeks_that_start_on_other_days_are_other_panels():
    mondays = rows(frequency="W", as_of="2026-11-09")
    fridays = rows({"x": 1.0}, frequency="W", as_of="2026-11-13")
    found = describe_forecasts(pa.concat_tables([mondays, fridays]))
    assert sorted(found) == ["demand_w_fri", "demand_w_mon"]
    assert all(one.incomplete.count == 0 for one in found.values())


def test_a_verdict_is_read_back_as_it_was_written_and_unknown_keys_are_passed_over():
    verdict = judge(JudgedCase(scaled(10), facts(), TODAY), ["change"])
    document = to_document(verdict)
    assert document["open"] is False
    again = json.loads(to_bytes(document)) | {"added_later": 1}
    again["facts"] |= {"added_later": 1}
    assert parse(Verdict, json.dumps(again).encode(), where="here") == verdict


def test_accepted_rules_open_the_gate_and_stay_in_the_verdict():
    case = JudgedCase(scaled(10), facts(), TODAY)
    verdict = judge(case, ["change", "change_of_items", "exploding"])
    refuse_closed(verdict, "here")
    assert [one.name for one in verdict.rules if one.verdict == "accepted"] == [
        "exploding", "change", "change_of_items",
    ]  # fmt: skip
    with pytest.raises(GateError, match=r"closed .* by exploding, change_of_items; nothing"):
        refuse_closed(judge(case, ["change"]), "here")


def test_a_line_says_what_is_wrong_how_much_what_to_do_and_how_to_accept():
    now = facts(rows({k: v for k, v in ITEMS.items() if k not in "EF"}))
    (line,) = judge(JudgedCase(now, facts(), TODAY)).lines
    assert line == (
        "gate: items: 2 of 6 items of demand are forecast no more: 'E', 'F' "
        "(0.3333 share of items, limit 0.1). Look whether the file is whole and the ids are "
        "written as before, or --accept items."
    )


def test_unknown_names_and_rules_that_nobody_can_accept_are_refused():
    assert check_names(["items", "change", "items"]) == ("items", "change")
    with pytest.raises(ConfigError, match=r"no rule 'chnge'\. Choose from: panels, frequency"):
        check_names(["items", "chnge"])
    with pytest.raises(ConfigError, match="--accept synthetic: nobody can"):
        check_names(["synthetic"])

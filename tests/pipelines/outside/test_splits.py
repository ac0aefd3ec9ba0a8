"""A share that splits: all closes are told in new shares, and what is stored must follow."""

from datetime import date

import pytest

from pipelines.outside.raw_store import RawStore
from tests.pipelines.outside.world import business, days_between, level
from tests.pipelines.sources import payloads_money as money
from tests.pipelines.sources.replay import Reply

START, SPLIT = date(2026, 9, 1), date(2026, 11, 23)


def closes(desk):
    """The newest close of each day."""
    rows = sorted(desk.rows("prices", "PETR4"), key=lambda row: row["available_at"])
    return {row["ref_date"].date(): row["value"] for row in rows}


def in_new_shares(until, ratio, split=SPLIT):
    """What Yahoo tells of all days once the share has split."""
    return {
        day: pytest.approx(level(35.0, day) / (ratio if day < split else 1))
        for day in business(days_between(START, until))
    }


def quotes(desk, expect=0):
    return desk.etl("prices", "--series", "PETR4", expect=expect)


def first_days(world):
    """First day of each request for quotes."""
    return [int(request.query["period1"]) for request in world.servers["yahoo"].log]


@pytest.mark.parametrize("kind", ["split", "unnamed split"])
@pytest.mark.parametrize("ratio", [2, 0.1, 1.05], ids=["split", "grouping", "bonus"])
def test_after_a_split_every_close_is_revised_on_the_day_that_it_was_seen(desk, world, kind, ratio):
    quotes(desk)
    before = desk.rows("prices", "PETR4")
    world.revised[kind, str(SPLIT)] = ratio
    desk.next_day(4)  # Tuesday, the day after the split
    done = quotes(desk)
    assert closes(desk) == in_new_shares(world.day, ratio)
    rows = desk.rows("prices", "PETR4")
    assert all(row in rows for row in before)
    revised = [row for row in rows if row not in before and row["ref_date"].date() < SPLIT]
    assert len(revised) == len(before)
    assert {row["available_at"].date() for row in revised} == {world.day}
    assert first_days(world) == [money.utc_midnight("2026-11-10"), money.utc_midnight("2026-09-01")]
    assert "asked again from 2026-09-01 on" in done.stderr
    told = [row["value"] for row in desk.rows("dividends")] if kind == "split" else [ratio]
    assert told == [ratio]


def test_a_night_after_the_split_asks_for_the_increment_again(desk, world):
    quotes(desk)
    world.revised["split", str(SPLIT)] = 2
    desk.next_day(4)
    quotes(desk)
    desk.next_day()
    done = quotes(desk)
    assert first_days(world) == [money.utc_midnight("2026-11-14")]  # 24 November - 10 days
    assert closes(desk) == in_new_shares(world.day, 2)
    assert "asked again" not in done.stderr


def test_a_split_inside_of_the_first_download_asks_for_nothing_twice(desk, world):
    world.revised["split", "2026-10-14"] = 2
    quotes(desk)
    assert len(first_days(world)) == 1
    assert closes(desk) == in_new_shares(world.day, 2, date(2026, 10, 14))


def test_a_split_that_is_named_later_than_it_is_worked_in_tears_nothing(desk, world):
    quotes(desk)
    world.revised["unnamed split", str(SPLIT)] = 2
    desk.next_day(4)
    quotes(desk)
    world.revised = {("split", str(SPLIT)): 2}
    desk.next_day()
    quotes(desk)
    assert closes(desk) == in_new_shares(world.day, 2)
    assert [row["value"] for row in desk.rows("dividends")] == [2.0]


def test_closes_stored_from_before_since_are_revised_too(desk, world):
    quotes(desk)
    world.revised["split", str(SPLIT)] = 2
    desk.next_day(4)
    desk.etl("prices", "--series", "PETR4", "--since", "2026-11-01")
    assert closes(desk) == in_new_shares(world.day, 2)


def test_closes_older_than_all_that_the_service_has_are_counted(desk, world, tmp_path):
    path = tmp_path / "petr4.csv"
    path.write_text("Date,Price\n2026-08-27,30\n2026-08-28,31\n")
    desk.run("import_history", path)
    quotes(desk)
    world.revised["split", str(SPLIT)] = 2
    desk.next_day(4)
    done = quotes(desk)
    stored = len(business(days_between(START, date(2026, 11, 20)))) + 2
    assert (
        f"2 of {stored} stored closes are older than all that was answered (the last of "
        "2026-08-28) and stay as they were"
    ) in done.stderr
    assert first_days(world)[-1] == money.utc_midnight("2026-08-27")
    assert closes(desk)[date(2026, 8, 28)] == 31.0


def test_a_split_whose_history_cannot_be_had_is_left_for_the_next_night(desk, world):
    quotes(desk)
    before = desk.stored("prices")
    good = world.servers["yahoo"].routes["/"]
    world.servers["yahoo"].routes = {"/": [good, Reply(403, b"Forbidden")]}
    world.revised["split", str(SPLIT)] = 2
    desk.next_day(4)
    world.down("alpha_vantage")
    done = quotes(desk)
    assert "degraded: yahoo: PETR4" in done.stderr
    assert desk.stored("prices") == before
    world.restore()
    desk.next_day()
    quotes(desk)
    assert closes(desk) == in_new_shares(world.day, 2)
    after = desk.stored("prices")
    desk.etl("prices", "--reparse")
    assert desk.stored("prices") == after


def test_the_answer_that_showed_the_split_is_kept_with_the_reason_why_it_was_not_read(desk, world):
    quotes(desk)
    world.revised["split", str(SPLIT)] = 2
    desk.next_day(4)
    quotes(desk)
    looks = RawStore(desk.folder / "data" / "raw").answers(["yahoo"])
    assert [look.outcome for look in looks] == ["data", "rejected", "data"]
    assert looks[1].reason == (
        "a split of 2026-11-23, 2 new shares for an old one: asked again from 2026-09-01 on, so "
        "that older closes are revised too"
    )


def test_a_correction_of_single_closes_is_no_split(desk, world):
    quotes(desk)
    world.revised |= {("PETR4", "2026-11-10"): 17.5, ("PETR4", "2026-11-12"): 17.5}
    desk.next_day()
    quotes(desk)
    assert len(first_days(world)) == 1
    assert closes(desk)[date(2026, 11, 12)] == 17.5


def test_what_cannot_split_is_never_asked_for_twice(desk, world):
    """A dollar restated by one factor is a revision like any other."""
    desk.etl("economic", "--series", "usd_brl")
    for day in days_between(START, world.day):
        world.revised["ptax", str(day)] = 2.0
    desk.next_etl("economic", "--series", "usd_brl")
    assert len(world.servers["bcb_ptax"].log) == 1

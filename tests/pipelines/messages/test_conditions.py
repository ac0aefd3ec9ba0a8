"""One message as a condition opens, one as it ends, whatever nights come between."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.messages.conditions import (
    KINDS,
    QUIET_RUNS,
    NightFinding,
    open_conditions,
    prepare_tables,
    select_rows,
    update_conditions,
)

START = datetime(2026, 11, 20, 2, 15, tzinfo=UTC)
DRIFT = NightFinding("drift", "demand_ms", "3 of 900 items changed")
FAILED = NightFinding("failed", "", "publish failed (5): no route")


@pytest.fixture
def db():
    with sqlite3.connect(":memory:") as connection:
        prepare_tables(connection)
        yield connection
    connection.close()


def night(db, number, *findings, looked_at=tuple(KINDS), addresses=("json 1",), run=None):
    changes = update_conditions(
        db, findings, looked_at=looked_at, run_id=run or f"run-{number}",
        now=START + timedelta(days=number), addresses=addresses,
    )  # fmt: skip
    return [(one.event, one.kind, one.subject) for one in changes]


def messages(db, *columns):
    rows = select_rows(db, "SELECT * FROM messages ORDER BY id")
    return [tuple(row[name] for name in columns) for row in rows]


def test_a_condition_that_lasts_is_told_once_and_its_end_once(db):
    assert night(db, 0, FAILED) == [("opened", "failed", "")]
    assert night(db, 1, FAILED) == []
    assert night(db, 2, FAILED) == []
    assert night(db, 3) == [("ended", "failed", "")]
    assert night(db, 4) == []
    assert [event for (event,) in messages(db, "event")] == ["opened", "ended"]
    assert open_conditions(db) == []


def test_a_condition_that_comes_again_is_told_again(db):
    for number, found in enumerate([(FAILED,), (), (FAILED,), ()]):
        night(db, number, *found)
    assert [event for (event,) in messages(db, "event")] == ["opened", "ended"] * 2
    assert select_rows(db, "SELECT count(*) AS n FROM conditions") == [{"n": 2}]


def test_drift_that_flickers_is_one_condition(db):
    told = [night(db, n, *([DRIFT] if n in {0, 2, 3, 5} else [])) for n in range(10)]
    assert [n for n, events in enumerate(told) if events] == [0, 5 + QUIET_RUNS["drift"]]


def drift(*named):
    return NightFinding("drift", "demand_ms", "some changed", frozenset(named))


def things(sort, *names):
    return [(sort, name) for name in names]


def test_a_change_of_another_kind_is_told_while_a_condition_lasts(db):
    up, down = things("items more", *"ABCDEFGH"), things("items less", "A")
    assert night(db, 0, drift(*up)) == [("opened", "drift", "demand_ms")]
    assert night(db, 1, drift(*up, *down)) == [("more", "drift", "demand_ms")]
    assert night(db, 2, drift(*up, *down)) == []
    titles = [title for (title,) in messages(db, "title")]
    assert titles[1] == "Previsor: more: data are no longer what they were (demand_ms)"
    assert "Since 2026-11-20T02:15:00Z, condition 1." in messages(db, "body")[1][0]


def test_a_change_that_spreads_is_told_as_often_as_it_doubles(db):
    told = [night(db, number, drift(*things("items more", *map(str, range(number + 1)))))
            for number in range(20)]  # fmt: skip
    # by hand: 1 is named on night 0; one more is as many on night 1 (2 named by now), two more on
    # night 3 (4 named), four more on night 7, eight more on night 15
    assert [number for number, changes in enumerate(told) if changes] == [0, 1, 3, 7, 15]


def test_a_change_that_comes_and_goes_in_the_same_things_is_told_once(db):
    both = drift(*things("items more", "A", "B"))
    found = [(both,), (), (drift(*things("items more", "B")),), (both,), (both,)]
    assert [len(night(db, number, *one)) for number, one in enumerate(found)] == [1, 0, 0, 0, 0]
    assert night(db, 4, both, run="run-4") == []  # the same night, counted twice


def test_more_of_what_was_told_is_no_reason_to_keep_its_end_back(db):
    night(db, 0, drift(*things("items more", "A")))
    db.execute("UPDATE messages SET state = 'sent', attempts = 1")
    night(db, 1, drift(*things("items less", "A")))  # nobody took this one
    for number in range(2, 2 + QUIET_RUNS["drift"]):
        night(db, number)
    assert messages(db, "event", "state") == [
        ("opened", "sent"), ("more", "dropped"), ("ended", "due"),
    ]  # fmt: skip


def test_what_a_night_could_not_look_at_stays_as_it_was(db):
    night(db, 0, DRIFT, FAILED)
    for number in range(1, 9):
        night(db, number, FAILED, looked_at=("failed",))
    assert [row["kind"] for row in open_conditions(db)] == ["failed", "drift"]


def test_a_night_that_is_counted_twice_counts_once(db):
    night(db, 0, DRIFT)
    for _ in range(5):
        assert night(db, 1, run="run-1") == []
    assert open_conditions(db)[0]["quiet"] == 1


def test_two_findings_of_one_thing_are_one_condition_and_others_their_own(db):
    other = NightFinding("drift", "price_b", "x")
    assert len(night(db, 0, DRIFT, NightFinding("drift", "demand_ms", "4 of 900"), other)) == 2
    assert [row["text"] for row in open_conditions(db)] == ["4 of 900", "x"]


def test_every_address_gets_its_own_message_and_none_is_a_receipt_too(db):
    night(db, 0, FAILED, addresses=("json 1", "mailto 2"))
    night(db, 0, DRIFT, looked_at=(), addresses=(), run="other")
    assert messages(db, "address", "state") == [
        ("json 1", "due"), ("mailto 2", "due"), ("", "no address"),
    ]  # fmt: skip


def test_the_end_of_what_nobody_was_told_of_is_not_told_either(db):
    night(db, 0, FAILED)
    night(db, 1)
    assert messages(db, "event", "state") == [("opened", "dropped"), ("ended", "dropped")]


def test_who_is_told_from_now_on_hears_once_of_what_holds(db):
    night(db, 0, FAILED, addresses=())
    night(db, 1, FAILED)
    night(db, 2, FAILED)
    night(db, 3, FAILED, addresses=("json 1", "mailto 2"))
    assert messages(db, "event", "address", "state") == [
        ("opened", "", "no address"), ("opened", "json 1", "due"), ("opened", "mailto 2", "due"),
    ]  # fmt: skip
    assert all("Since 2026-11-20T" in body for (body,) in messages(db, "body"))


def test_who_was_told_nothing_of_a_condition_hears_nothing_of_its_end(db):
    night(db, 0, FAILED, addresses=())
    night(db, 1)
    assert messages(db, "event", "address", "state") == [
        ("opened", "", "no address"), ("ended", "json 1", "dropped"),
    ]  # fmt: skip


def test_the_end_of_what_may_have_been_told_is_told(db):
    night(db, 0, FAILED)
    db.execute("UPDATE messages SET attempts = 1")  # its answer was lost
    night(db, 1)
    assert messages(db, "event", "state") == [("opened", "due"), ("ended", "due")]


def test_a_message_says_what_since_when_and_of_which_condition(db):
    night(db, 0, DRIFT)
    db.execute("UPDATE messages SET state = 'sent', attempts = 1")
    for number in range(1, 4):
        night(db, number)
    opened, ended = messages(db, "title", "body")
    assert opened == (
        "Previsor: data are no longer what they were (demand_ms)",
        "3 of 900 items changed\nSince 2026-11-20T02:15:00Z, condition 1.",
    )
    assert ended[0].startswith("Previsor: recovered: data are no longer")
    assert ended[1].endswith("Since 2026-11-20T02:15:00Z, condition 1. Ended 2026-11-23T02:15:00Z.")


def test_what_is_no_kind_of_condition_is_refused():
    with pytest.raises(ValueError, match="not a kind of condition: 'recovered'"):
        NightFinding("recovered", "", "")

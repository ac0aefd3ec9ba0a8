"""The tables built again from what was kept: the same rows, and no network."""

import shutil
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.ledger import ledger
from pipelines.outside.raw_store import RawStore
from tests.pipelines.sources.replay import Reply


def tables(desk):
    folder = desk.folder / "data" / "processed"
    return {path.name: pq.read_table(path) for path in sorted(folder.glob("*.parquet"))}


def before_the_end(desk):
    """The tables, to be put back later."""
    return {path: path.read_bytes() for path in desk.path("x").parent.glob("*.parquet")}


def die_after_the_last_answer(desk, before):
    """Make it look as if the last run had died before it wrote its tables."""
    for path, content in before.items():
        path.write_bytes(content)
    with ledger(desk.folder / "data" / "raw") as db:
        (run,) = db.execute("SELECT max(id) FROM runs").fetchone()
        (day,) = db.execute("SELECT day FROM runs WHERE id = ?", [run]).fetchone()
        db.execute("DELETE FROM runs WHERE id = ?", [run])
        db.execute("DELETE FROM windows WHERE run = ?", [run])
        ids = "SELECT id FROM answers WHERE day = ?"
        db.execute(f"DELETE FROM in_tables WHERE answer IN ({ids})", [day])


def eventful_days(desk, world, domain):
    """A first download, a night of the stand-ins, a revision, and the first source again."""
    desk.etl(domain)
    world.down("open_meteo", "bcb_ptax", "yahoo")
    desk.next_day(2)
    desk.etl(domain)
    world.restore()
    world.revised |= {("ptax", "2026-11-12"): 9.0, ("rain", "2026-11-12"): 55.5,
                      ("PETR4", "2026-11-13"): 33.3, ("stations", "BA"): 8,
                      ("BA5G", "2026-09-01"): 1000.0, ("EIA366_PBRENT366", "2026-10-13"): 70.0,
                      ("dividend", "2026-11-13"): True}  # fmt: skip
    desk.next_day(3)
    desk.etl(domain)
    desk.etl(domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_reading_again_gives_what_the_runs_gave_and_opens_no_socket(desk, world, domain):
    eventful_days(desk, world, domain)
    expected = tables(desk)
    for path in (desk.folder / "data" / "processed").iterdir():
        path.unlink()
    world.clear()
    desk.set(ENABLE_EXTERNAL_APIS="false")
    desk.next_day(4)
    desk.etl(domain, "--reparse")
    assert tables(desk) == expected
    assert not world.asked()


def test_tables_that_are_gone_are_built_again_by_the_next_run(desk, world):
    """Else a file that "has not changed" would leave them empty."""
    desk.etl("anatel_5g")
    expected = desk.rows("anatel_5g", "fiveg_accesses")
    desk.path("anatel_5g").unlink()
    desk.etl("anatel_5g")
    assert desk.rows("anatel_5g", "fiveg_accesses") == expected


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_run_that_died_before_writing_is_made_good_by_the_next(desk, world, domain):
    desk.etl(domain)
    before = before_the_end(desk)
    world.revised["ptax", "2026-11-12"] = 9.0
    desk.next_etl(domain)
    die_after_the_last_answer(desk, before)
    desk.next_etl(domain)
    after = tables(desk)
    desk.etl(domain, "--reparse")
    assert tables(desk) == after
    if domain == "economic":
        rows = [row for row in desk.rows("economic", "usd_brl") if row["value"] == 9.0]
        assert f"{rows[0]['available_at']:%Y-%m-%d}" == "2026-11-21"  # the day it was seen


def test_answers_that_are_in_the_tables_are_not_opened_when_later_ones_are_caught_up(desk, world):
    desk.etl("economic", "--series", "selic")
    before = before_the_end(desk)
    (body,) = (desk.folder / "data" / "raw" / "bcb_sgs" / "bodies").iterdir()
    desk.next_etl("economic", "--series", "selic")
    expected = desk.rows("economic")
    die_after_the_last_answer(desk, before)
    body.write_bytes(b"damaged")
    world.down()
    desk.etl("economic", "--series", "selic")
    assert desk.rows("economic") == expected


def test_only_the_series_named_are_built_again(desk, world):
    desk.etl("economic")
    before = tables(desk)["economic.parquet"]
    desk.etl("economic", "--reparse", "--series", "selic")
    assert tables(desk)["economic.parquet"] == before


def test_reading_again_without_answers_fails_in_one_line(desk, world):
    done = desk.etl("economic", "--reparse", expect=3)
    assert "the raw store has no answers to read again" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not world.asked()


def test_a_kept_answer_that_was_damaged_is_named(desk, world):
    desk.etl("economic", "--series", "selic")
    body = next((desk.folder / "data" / "raw" / "bcb_sgs" / "bodies").iterdir())
    body.write_bytes(b"damaged")
    before = desk.stored("economic")
    done = desk.etl("economic", "--reparse", expect=3)
    assert body.name in done.stderr
    assert desk.stored("economic") == before


def test_refused_answers_are_kept_with_their_reason_and_never_read_again(desk, world):
    desk.etl("economic", "--series", "selic")
    before = tables(desk)
    world.down("bcb_sgs", reply=Reply(200, b'[{"data":"05/11/2026","valor":"abc"}]'))
    desk.next_etl("economic", "--series", "selic")
    last = RawStore(desk.folder / "data" / "raw").answers(["bcb_sgs"])[-1]
    assert (last.outcome, "1 of 1 values cannot be read" in last.reason) == ("rejected", True)
    desk.etl("economic", "--reparse")
    assert tables(desk) == before


def test_without_external_apis_nothing_is_asked_and_what_is_stored_is_said(desk, world):
    desk.etl("economic")
    before = desk.stored("economic")
    desk.set(ENABLE_EXTERNAL_APIS="false")
    done = desk.next_etl("economic")
    assert "ENABLE_EXTERNAL_APIS is false: nothing was fetched" in done.stdout
    assert "usd_brl" in done.stdout
    assert "2026-11-20" in done.stdout
    assert not world.asked()
    assert desk.stored("economic") == before


@pytest.mark.parametrize("domain", DOMAINS)
def test_without_external_apis_and_with_nothing_stored_it_says_what_to_do(desk, world, domain):
    desk.set(ENABLE_EXTERNAL_APIS="false")
    done = desk.etl(domain, expect=3)
    assert done.stderr.count("\n") == 1
    assert "ENABLE_EXTERNAL_APIS is false. Set it to true" in done.stderr
    assert not world.asked()
    assert not (desk.folder / "data").exists()


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_run_recorded_in_the_future_is_named_and_taken_back(desk, world, domain):
    """As if it had never been: the tables end as those of a copy without that run."""
    desk.etl(domain)
    shutil.copytree(desk.folder / "data", desk.folder / "copy")
    world.revised |= {("ptax", "2026-11-12"): 9.0, ("rain", "2026-11-12"): 55.5,
                      ("PETR4", "2026-11-12"): 99.0, ("stations", "BA"): 8}  # fmt: skip
    # A day to come for the program too, which asks the machine's clock what is the future.
    future = max(world.day, datetime.now(UTC).date()) + timedelta(days=400)
    desk.etl(domain, today=future)
    desk.next_day()
    told = desk.etl(domain, expect=2).stderr
    assert f"{domain} has a run of {future}" in told
    assert "--reparse builds the tables again without" in told
    desk.etl(domain, "--reparse")
    desk.etl(domain)
    repaired = tables(desk)
    desk.set(DATA_DIR=desk.folder / "copy")
    desk.etl(domain)
    folder = desk.folder / "copy" / "processed"
    assert repaired == {path.name: pq.read_table(path) for path in folder.glob("*.parquet")}

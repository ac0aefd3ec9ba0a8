"""Clearing the raw store: tables are built again as before, and nothing is asked for twice."""

from datetime import UTC, datetime, timedelta

import pytest

from ml.errors import PublishError
from ml.locks import hold
from pipelines.outside.ledger import COLUMNS, insert_answer, ledger
from pipelines.retention.clear_local import prune_answers

LATER = datetime.now(UTC) + timedelta(days=9999)


@pytest.fixture
def raw(desk, world):
    """A first download, a revision, a night in which nothing is new, and bytes without a note."""
    desk.etl("economic")
    world.revised |= {("ptax", "2026-11-12"): 9.0}
    desk.next_etl("economic")
    desk.next_etl("economic")
    folder = desk.folder / "data" / "raw"
    with ledger(folder) as db:
        (file,) = db.execute("SELECT file FROM answers WHERE file != '' LIMIT 1").fetchone()
        blank = dict.fromkeys(COLUMNS) | {"source": "bcb_ptax", "series": ["usd_brl"], "form": []}
        blank |= {"base": "", "target": "", "media": "json", "context": {}, "conditional": False}
        for day, outcome, bytes_of in (
            ("2026-11-20", "rejected", "bcb_ptax/bodies/refused.json.gz"),
            ("2026-11-20", "rejected", file),  # which another answer needs
            ("2026-11-20", "unchanged", None),
            ("9999-01-01", "no_data", None),  # of a day that is not over
        ):
            insert_answer(db, {**blank, "day": day, "outcome": outcome, "file": bytes_of})
    for name in ("refused", "forgotten"):
        (folder / "bcb_ptax" / "bodies" / f"{name}.json.gz").write_bytes(b"x")
    (folder / ".importing-dead").mkdir()
    return folder


def answers(raw):
    with ledger(raw) as db:
        return db.execute("SELECT outcome, count(*) FROM answers GROUP BY outcome").fetchall()


def named(raw):
    with ledger(raw) as db:
        return [raw / file for (file,) in db.execute("SELECT file FROM answers WHERE file != ''")]


def test_only_what_brought_nothing_goes_and_the_tables_are_built_again_the_same(desk, world, raw):
    before = {row["outcome"]: row[1] for row in answers(raw)}
    table = desk.rows("economic")
    dry = prune_answers(raw, LATER, dry_run=True)
    assert before == {row["outcome"]: row[1] for row in answers(raw)}
    done = prune_answers(raw, LATER, dry_run=False)
    assert done == dry
    assert done.notes == sum(count for name, count in before.items() if name != "data") - 1
    assert sorted(path.name for path in done.paths) == [
        ".importing-dead", "forgotten.json.gz", "refused.json.gz"
    ]  # fmt: skip
    after = {row["outcome"]: row[1] for row in answers(raw)}
    assert after == {"data": before["data"], "no_data": 1}
    assert all(path.is_file() for path in named(raw))
    (desk.folder / "data" / "processed" / "economic.parquet").unlink()
    desk.set(ENABLE_EXTERNAL_APIS="false")
    desk.etl("economic", "--reparse")
    assert desk.rows("economic") == table
    assert prune_answers(raw, LATER, dry_run=False).notes == 0


def test_a_night_after_the_clearing_asks_only_for_what_is_new(desk, world, raw):
    def asked():
        desk.next_etl("economic")
        return {name: len(world.targets(name)) for name in sorted(world.asked())}

    before = asked()
    prune_answers(raw, LATER, dry_run=False)
    assert asked() == before


def test_young_bytes_and_those_of_a_command_at_work_stay(raw):
    assert prune_answers(raw, datetime(2020, 1, 1, tzinfo=UTC), dry_run=False).paths == ()
    with (
        hold(raw / "_runs" / ".climate"),
        pytest.raises(PublishError, match="is held by another run"),
    ):
        prune_answers(raw, LATER, dry_run=False)
    assert (raw / "bcb_ptax" / "bodies" / "forgotten.json.gz").is_file()


def test_a_raw_store_that_is_not_there_is_not_made(tmp_path):
    assert prune_answers(tmp_path / "raw", LATER, dry_run=False).notes == 0
    assert not (tmp_path / "raw").exists()

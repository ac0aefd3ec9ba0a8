"""Data that earlier code has left: the new code goes on from there.

What is expected is what that code itself made of it; ``tests/fixtures/README.md`` says how.
"""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.ledger import FILE, ledger

FIXTURE = Path(__file__).parents[2] / "fixtures" / "old_outside.tar.gz"
TABLES = (*DOMAINS, "dividends")
ADDED = ("estimated",)  # columns that the old code did not know


def unpack_old_data(desk, folder):
    """Put the data in place, with the services at their addresses; the folder of expectations."""
    shutil.unpack_archive(FIXTURE, folder)
    shutil.move(folder / "data", desk.folder / "data")
    with ledger(desk.folder / "data" / "raw") as db:
        for name, server in desk.world.servers.items():
            change = "UPDATE answers SET base = ? WHERE base = ?"
            db.execute(change, [server.base, f"http://{name}.example"])
    later = json.loads((folder / "expected" / "later.json").read_text())
    desk.world.revised |= {tuple(key): value for key, value in later["revised"]}
    return folder / "expected"


@pytest.fixture
def expected(desk, tmp_path):
    return unpack_old_data(desk, tmp_path / "before")


def stored(folder):
    """All tables, in the columns that there were."""
    found = {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}
    return {
        name: table.drop_columns([one for one in ADDED if one in table.column_names])
        for name, table in found.items()
    }


def contents(folder):
    files = [path for path in folder.rglob("[!.]*") if path.is_file() and path.name != FILE]
    return {path: path.read_bytes() for path in files}


def test_reading_all_answers_again_gives_the_same_rows(desk, world, expected):
    world.day = world.day.replace(day=24)
    desk.set(ENABLE_EXTERNAL_APIS="false")
    for domain in DOMAINS:
        done = desk.etl(domain, "--reparse")
        assert "fewer than before" not in done.stderr
    assert stored(desk.folder / "data" / "processed") == stored(expected / "reparsed")
    assert not world.asked()


def test_a_further_run_adds_what_is_new_and_asks_for_no_more_than_before(desk, world, expected):
    """The weather, the accesses and the prices of the next days, and a domain that had died."""
    before = contents(desk.folder / "data" / "raw")
    world.day = world.day.replace(day=26)
    said = {domain: desk.etl(domain).stdout for domain in DOMAINS}
    later = json.loads((expected / "later.json").read_text())
    assert stored(desk.folder / "data" / "processed") == stored(expected / "later")
    assert said == later["stdout"]
    for name, server in world.servers.items():
        requests = [
            {"method": one.method, "target": one.target, "known": one.headers.get("if-none-match")}
            for one in server.log
        ]
        assert requests == later["requests"].get(name, []), name
    after = contents(desk.folder / "data" / "raw")
    assert before.items() <= after.items()


def test_a_run_that_changes_nothing_leaves_nothing_to_read_again(desk, world, expected):
    world.day = world.day.replace(day=26)
    for domain in DOMAINS:
        desk.etl(domain)
        done = desk.etl(domain)
        assert "reading stored answers" not in done.stderr

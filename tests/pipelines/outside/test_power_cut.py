"""A power cut at any write of an ETL run: the next run ends as if nothing had been.

The ledger is a file of SQLite, which flushes by itself; what it has committed is on the disk.
"""

import shutil

import pyarrow.parquet as pq
import pytest

from pipelines.outside.domain_sources import DOMAINS
from tests.pipelines.outside.test_old_data import unpack_old_data
from tests.power_cut import survive_power_cuts

JOBS = "tests.pipelines.outside.etl_jobs"
LEDGER = "ledger.sqlite*"


def tables(place):
    return {path.name: pq.read_table(path) for path in (place / "processed").glob("*.parquet")}


def cut(desk, job, argument, *, sample=10):
    """Cut the power during a job on the data of the desk; the tables that it ends with."""
    place = desk.folder / "data"
    place.mkdir(exist_ok=True)
    desk.set(TODAY=desk.world.day)
    cuts = survive_power_cuts(
        f"{JOBS}:{job}", place, tables, arguments=[argument], sample=sample, spared=(LEDGER,)
    )
    assert cuts >= sample
    return tables(place)


def test_a_run_on_older_data_survives(desk, world, tmp_path):
    expected = unpack_old_data(desk, tmp_path / "before") / "later" / "economic.parquet"
    world.day = world.day.replace(day=26)
    found = cut(desk, "collect", "economic", sample=5)["economic.parquet"]
    assert found.drop_columns(["estimated"]) == pq.read_table(expected)  # a younger column


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_first_run_of_each_domain_survives_at_every_write(desk, world, domain):
    assert cut(desk, "collect", domain)[f"{domain}.parquet"].num_rows


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_further_run_of_each_domain_survives_at_every_write(desk, world, domain):
    desk.etl(domain)
    before = tables(desk.folder / "data")
    desk.next_day(2)
    world.revised |= {("ptax", "2026-11-12"): 9.0, ("rain", "2026-11-12"): 55.5,
                      ("split", "2026-11-22"): 2, ("stations", "BA"): 8}  # fmt: skip
    assert cut(desk, "collect", domain) != before


@pytest.mark.slow
def test_reading_again_and_importing_survive_at_every_write(desk, world, tmp_path):
    expected = unpack_old_data(desk, tmp_path / "before")
    world.day = world.day.replace(day=24)
    shutil.rmtree(desk.folder / "data" / "processed")
    found = cut(desk, "build_again", "prices")
    prices = pq.read_table(expected / "reparsed" / "prices.parquet")
    assert found["prices.parquet"].drop_columns(["estimated"]) == prices
    path = tmp_path / "brent.csv"
    path.write_text("Date,Price\n2026-01-02,80.5\n")
    assert cut(desk, "import_file", path)["prices.parquet"] != found["prices.parquet"]

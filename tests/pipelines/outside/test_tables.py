"""Tables that a command shares with others."""

import threading

import pyarrow.parquet as pq

from ml.locks import hold
from ml.processed import changing, write_tables
from ml.settings import settings
from pipelines.outside.domain_rows import read_series, write_series
from pipelines.outside.domain_sources import domain


def users_price(desk, name):
    """Prices that the user's own file has given."""
    user = desk.folder / "data" / "raw" / "user"
    user.mkdir(parents=True)
    (user / "prices.csv").write_text(f"date,{name}\n2026-11-17,1.5\n2026-11-18,1.6\n")
    desk.run("demand_etl")


def test_prices_of_the_users_files_stay_as_they_are(desk, world):
    users_price(desk, "COPPER")
    before = desk.rows("prices", "COPPER")
    desk.etl("prices")
    desk.etl("prices", "--reparse")
    assert desk.rows("prices", "COPPER") == before
    assert {row["series"] for row in desk.rows("prices")} == {
        "COPPER", "Brent", "PETR4", "USD/BRL",
    }  # fmt: skip


def test_a_series_that_the_users_files_have_is_left_to_them_and_the_others_go_on(desk, world):
    users_price(desk, "PETR4")
    before = desk.rows("prices", "PETR4")
    done = desk.etl("prices")
    assert "PETR4: the user's files have this series, it is not collected" in done.stderr
    assert "yahoo" not in world.asked()
    assert desk.rows("prices", "PETR4") == before
    assert desk.rows("prices", "Brent")


def test_the_users_files_and_the_collected_prices_do_not_push_each_other_out(desk, world):
    desk.etl("prices")
    collected = desk.rows("prices")
    users_price(desk, "COPPER")
    assert [row for row in desk.rows("prices") if row["source"] != "user_files"] == collected
    desk.next_etl("prices")
    assert len(desk.rows("prices", "COPPER")) == 2


def test_rows_that_the_user_brought_while_a_run_was_fetching_are_not_lost(desk):
    users_price(desk, "PETR4")
    before = desk.rows("prices")
    assert write_series(domain("prices", settings()), {}, desk.folder / "data") == []
    assert desk.rows("prices") == before


def test_a_run_that_writes_waits_for_the_users_files_and_keeps_their_rows(desk, world):
    desk.etl("prices", "--series", "Brent")
    data_dir = desk.folder / "data"
    own = read_series(domain("prices", settings()), data_dir)
    desk.path("prices").unlink()
    users_price(desk, "COPPER")
    users = pq.read_table(desk.path("prices"))
    writing = (domain("prices", settings()), own, data_dir)
    work = threading.Thread(target=write_series, args=writing)
    with changing(data_dir):
        write_tables(data_dir, {"prices": None})
        work.start()
        work.join(0.05)
        assert work.is_alive()
        write_tables(data_dir, {"prices": users})
    work.join(10)
    assert {row["series"] for row in desk.rows("prices")} == {"COPPER", "Brent"}


def test_a_table_that_is_no_parquet_file_is_named_with_what_to_do(desk, world):
    desk.etl("economic", "--series", "selic")
    desk.path("economic").write_bytes(b"PAR1 no more")
    done = desk.etl("economic", expect=3)
    assert "economic.parquet: not a readable Parquet file" in done.stderr
    assert "economic_etl.py --reparse" in done.stderr


def test_a_second_run_at_the_same_time_is_told_to_wait(desk, world):
    with hold(desk.folder / "data" / "raw" / "_runs" / ".economic"):
        done = desk.etl("economic", expect=5)
    assert "is held by another run" in done.stderr
    assert not world.asked()

"""An ETL that is killed at any moment: the next run ends as if nothing had been."""

import shutil

import pytest

from ml.contracts.outside import OUTSIDE
from ml.processed import read_table, reading
from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.ledger import ledger
from tests.power_cut import survive_kills

JOB = "tests.pipelines.outside.etl_jobs:collect"


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_an_etl_killed_at_any_moment_leaves_whole_tables_and_is_made_by_the_next(
    desk, world, domain
):
    """20 kills of each domain by make drills, 5 elsewhere (about 20 s for all)."""
    place, made = desk.folder / "data", []
    place.mkdir()
    desk.set(TODAY=world.day)

    def tables(_):
        with reading(place):
            found = {one.name: read_table(place, one) for one in OUTSIDE}
        with ledger(place / "raw") as db:
            assert [*db.execute("PRAGMA integrity_check").fetchone()] == ["ok"]
        return {name: table for name, table in found.items() if table is not None}

    def begin_again(_):
        made.append(tables(place))
        assert not [*place.glob("raw/.fetching*"), *place.glob("raw/_runs/.*/fetching")]
        shutil.rmtree(place)
        place.mkdir()

    ended = survive_kills(JOB, place, tables, kills=20, sample=5, arguments=[domain],
                          finished=begin_again)  # fmt: skip
    begin_again(place)
    assert made[0][domain].num_rows
    assert made == [made[0]] * ended

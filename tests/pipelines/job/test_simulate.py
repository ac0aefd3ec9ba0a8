"""What stock by a run's backtest would have come to: in the version, and by a command."""

import csv

import pytest

from ml.simulation.study import LEAST_CYCLES
from tests.pipelines.job.conftest import RATES

SCRIPT = "pipelines/simulate.py"


def rows_of(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def own_files(company):
    named = {"--demand": "demand.csv", "--inventory": "stock.csv", "--prices": "brent.csv"}
    return [part for option, name in named.items() for part in (option, str(company.folder / name))]


@pytest.fixture(scope="module")
def simulated(company):
    """The command on the files and models of the company."""
    return company.run(SCRIPT, *own_files(company), "--jobs", "1").stdout


def test_recommendations_tell_the_service_that_was_achieved_at_their_target(company):
    simulation = [row for row in company.table("simulation").to_pylist()
                  if row["method"] == "ensemble" and row["level"] == 0.95]  # fmt: skip
    classes = {row["demand_class"]: row for row in simulation}
    for row in company.table("recommendations").to_pylist():
        own = classes.get(row["demand_class"], classes["*"])
        own = own if own["n_cycles"] >= LEAST_CYCLES else classes["*"]
        assert row["backtest_csl"] == pytest.approx(own["cycle_service"])
        assert row["backtest_n"] == own["n_cycles"] >= LEAST_CYCLES
    assert {row["confidence"] for row in company.table("recommendations").to_pylist()} >= {"high"}


def test_stock_is_valued_in_the_currency_of_its_costs(company):
    rows = company.table("simulation").to_pylist()
    assert {row["value_unit"] for row in rows} == {"BRL"}
    for row in rows:
        assert row["stock_value"] == pytest.approx(12.5 * row["stock_units"])


def test_a_run_says_how_much_stock_it_saves(company):
    assert (
        "of what mean + z sigma root P holds with its .95"
        in (company.folder / "stdout.txt").read_text()
    )


def test_the_command_simulates_what_the_run_published(company, simulated):
    folder = company.folder / "reports" / "simulation"
    assert {path.name for path in folder.iterdir()} == {
        "simulation.csv", "portfolio_curves.csv", "stock_against_service.png",
    }  # fmt: skip
    assert (folder / "stock_against_service.png").stat().st_size > 10_000
    for name in ("simulation", "portfolio_curves"):
        published, told = company.table(name).to_pylist(), rows_of(folder / f"{name}.csv")
        assert len(told) == len(published) > 0
        for row, cells in zip(published, told, strict=True):
            assert cells["method"] == row["method"]
            assert cells["stock_value"] == ("" if row["stock_value"] is None
                                            else str(row["stock_value"]))  # fmt: skip
    assert "demand_ms: the ensemble" in simulated
    assert f"{len(RATES)} items, " in simulated


def test_supply_may_be_wished_otherwise(company, simulated):
    assert "BRL" in simulated
    wishes = ("--lead-time", "120", "--review", "61", "--lost-sales", "--levels", ".8,.9")
    done = company.run(SCRIPT, *own_files(company), *wishes, "--jobs", "1", LEAD_TIME_CV="0")
    rows = rows_of(company.folder / "reports" / "simulation" / "simulation.csv")
    assert {row["level"] for row in rows if row["method"] == "ensemble"} == {"0.8", "0.9"}
    # 120 days are four months, 61 are two.
    assert {row["protection_periods"] for row in rows} == {"6.0"}
    assert "levels of 2 origins" in done.stdout or "levels of 3 origins" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--lead-time", "0"], "--lead-time 0: must be a number of days above 0"),
        (["--review", "inf"], "--review inf: must be a number of days above 0"),
        (["--levels", ".8,1.5"], "--levels: 1 of 2 are not between 0 and 1"),
        (["--levels", "high"], "--levels 'high': write numbers"),
        (["--horizon", "40"], "was trained for"),
    ],
    ids=["lead time", "review", "level", "text", "horizon"],
)
def test_what_cannot_be_simulated_is_one_line(company, options, told):
    done = company.run(SCRIPT, *own_files(company), *options, "--jobs", "1", expect=None)
    assert done.returncode in {2, 4}
    assert told in done.stderr
    assert "Traceback" not in done.stderr

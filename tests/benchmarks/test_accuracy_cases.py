"""Each dataset is forecast and scored by its own rules; one that fails costs no other."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.bench import Wanted, compare
from benchmarks.accuracy.cases import DATASETS, make_cases
from benchmarks.accuracy.peer_runs import without_gaps
from benchmarks.accuracy.report import write_report
from ml.errors import ConfigError, DataError


def write_months(folder, dataset, starts, last, gaps=()):
    """A file of items i0, i1 ... from these months on; ``gaps`` are (item, month) left out."""
    frames = []
    for number, start in enumerate(starts):
        months = pd.date_range(start, last, freq="MS")
        quantity = np.arange(len(months)) % 7 + 10.0
        item = f"i{number}"
        frame = pd.DataFrame({"item_id": item, "date": months, "quantity": quantity})
        frames.append(frame[[(item, str(day)[:7]) not in gaps for day in months]])
    path = folder / DATASETS[dataset].file
    pd.concat(frames).to_parquet(path)
    return path


def wanted(folder, **about):
    defaults = {
        "data": folder, "origins": None, "items": None, "peer_items": None, "only": (),
        "version": None, "skip_peers": True, "jobs": 1, "work": folder / "work",
    }  # fmt: skip
    return Wanted(**(defaults | about))


def test_tourism_is_forecast_two_years_ahead_as_of_two_junes(tmp_path):
    file = write_months(tmp_path, "tourism", ["1990-01-01"] * 4, "2007-06-01")
    cases = make_cases("tourism", file, origins=None, items=None, work=tmp_path / "work")
    assert [str(case.origin) for case in cases] == ["2005-06-01", "2004-06-01"]
    assert [case.actual.shape for case in cases] == [(4, 24)] * 2
    # Both cutoffs look at the year between them: the second year of the earlier, first of the other
    assert (cases[0].actual[:, :12] == cases[1].actual[:, 12:]).all()


def test_items_that_start_late_are_scored_where_they_are_observed_ahead(tmp_path):
    starts = ["1980-01-01", "2000-01-01", "2003-01-01", "1980-01-01"]
    file = write_months(tmp_path, "tourism", starts, "2007-06-01", {("i3", "2005-01")})
    cases = make_cases("tourism", file, origins=None, items=None, work=tmp_path / "work")
    # i2 has 18 months until June 2004, less than two years; i3 is not known in January 2005.
    assert {case.items for case in cases} == {("i0", "i1")}


def test_two_years_of_history_are_cut_after_eighteen_months(tmp_path):
    file = write_months(tmp_path, "auto", ["1999-01-01"] * 4, "2000-12-01")
    (case,) = make_cases("auto", file, origins=None, items=None, work=tmp_path / "work")
    assert str(case.origin) == "2000-06-01"
    assert (case.seen.shape, case.actual.shape) == ((4, 18), (4, 6))
    with pytest.raises(DataError, match="too few for 3 origins"):
        make_cases("auto", file, origins=3, items=None, work=tmp_path / "work")


def write_days(work, flagged):
    """The sample's file, of two items over 400 days; stock ran out on the flagged days."""
    days = pd.date_range("2025-01-01", periods=400)
    frames = [
        pd.DataFrame({"item_id": item, "date": days.strftime("%Y-%m-%d"), "site_id": "s1",
                      "quantity": quantity, "is_stockout": np.isin(np.arange(400), flagged)})
        for item, quantity in (("a", 3), ("b", 5))
    ]  # fmt: skip
    file = work / "demand.csv"
    pd.concat(frames).to_csv(file, index=False)
    return file


def test_our_job_is_told_of_stock_outs_and_nothing_is_scored_on_them(tmp_path):
    file = write_days(tmp_path, flagged=[100, 375, 376])
    (case,) = make_cases("sample", file, origins=1, items=None, work=tmp_path / "work")
    assert case.file.read_bytes() == file.read_bytes()
    # The thirty days ahead are those from day 370 on.
    assert np.flatnonzero(np.isnan(case.actual[0])).tolist() == [5, 6]
    assert np.nanmax(case.actual, axis=1).tolist() == [3.0, 5.0]


def test_of_some_items_the_job_gets_their_lines_as_they_were_brought(tmp_path):
    file = write_days(tmp_path, flagged=[100])
    pd.read_csv(file).assign(item_id=lambda table: "other " + table["item_id"]).to_csv(
        file, mode="a", header=False, index=False
    )
    (case,) = make_cases("sample", file, origins=1, items=2, work=tmp_path / "work")
    ours = pd.read_csv(case.file)
    assert tuple(sorted(set(ours["item_id"]))) == case.items
    assert len(ours) == 800
    assert ours["is_stockout"].sum() == 2


def test_peers_are_not_told_of_demand_before_a_series_starts():
    nan = np.nan
    values = np.array([[nan, nan, 4.0, nan, nan, 6.0], [1.0, nan, 3.0, nan, 5.0, 6.0]])
    # Season 2: the first row's gap at 3 has nothing a season earlier, the one at 4 has the 4.
    expected = np.array([[nan, nan, 4.0, 0.0, 4.0, 6.0], [1.0, 0.0, 3.0, 0.0, 5.0, 6.0]])
    np.testing.assert_array_equal(without_gaps(values, 2), expected)


def test_a_dataset_that_fails_does_not_stop_the_next_one_and_is_told(tmp_path):
    for dataset in ("hospital", "auto"):
        write_months(tmp_path, dataset, ["2000-01-01"] * 2, "2000-12-01")
    asked = wanted(tmp_path)
    found = list(compare(asked))
    assert [type(one) for one in found] == [DataError, DataError]
    write_report([], [], asked, [str(one) for one in found], tmp_path / "reports")
    text = (tmp_path / "reports" / "accuracy.md").read_text()
    assert "hospital_monthly.parquet: 12 periods are too few" in text
    assert "auto_monthly.parquet: 12 periods are too few" in text


def test_only_takes_several_datasets_and_the_sample_beside_them(tmp_path):
    for dataset in ("hospital", "auto", "carparts"):
        write_months(tmp_path, dataset, ["1999-01-01"] * 2, "2000-12-01")
    asked = wanted(tmp_path, only=("auto", "sample", "carparts", "AutoETS"))
    assert set(asked.datasets()) == {"auto", "sample", "carparts"}
    with pytest.raises(ConfigError, match="--only tourism"):
        wanted(tmp_path, only=("tourism",)).datasets()

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ml.errors import DataError
from pipelines.sample_data.files import ensure_sample, sample_paths
from pipelines.sample_data.sample import generate
from pipelines.sample_data.write_sample import write_sample


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def written(folder, seed):
    write_sample(generate(20, np.datetime64("2025-01-01"), 120, seed), sample_paths(folder))
    return contents(folder)


def test_same_seed_gives_the_same_bytes_in_every_file(tmp_path):
    assert written(tmp_path / "a", 5) == written(tmp_path / "b", 5)


def test_another_seed_gives_other_bytes_in_every_file_but_the_constants(tmp_path):
    one, two = written(tmp_path / "a", 5), written(tmp_path / "b", 6)
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] == two[name]} == {
        "suppliers.csv", "truth/effects.json",
    }  # fmt: skip


def test_the_sample_is_marked_as_synthetic(sample_files):
    folder = sample_files.demand.parent
    assert (folder / "README.txt").read_text().startswith("SYNTHETIC DATA")
    mark = json.loads((folder / "sample.json").read_text())
    assert mark["data"] == "SYNTHETIC"
    assert mark["source"] == "synthetic_sample"


def test_the_demand_file_reads_back_as_it_was_generated(sample_files, sample):
    read = pd.read_csv(sample_files.demand, dtype={"date": str}, keep_default_na=False)
    known = sample.observed["quantity"].notna()
    assert (read["quantity"] == "").tolist() == (~known).tolist()
    assert (
        read["quantity"][known].astype(float).tolist()
        == sample.observed["quantity"][known].tolist()
    )
    assert read["date"].tolist() == sample.observed["date"].tolist()
    assert read["site_id"].tolist() == sample.observed["site_id"].fillna("").tolist()
    assert len(read) < 150_000
    assert set(read["is_stockout"]) == {"True", "False", ""}


def test_lines_of_the_truth_are_lines_of_the_file(sample_files):
    lines = sample_files.demand.read_text().splitlines()
    dirt = pd.read_csv(sample_files.truth / "dirt.csv")
    typos = dirt[dirt["kind"] == "date_typo"]
    for row in typos.itertuples():
        assert f"{row.item_id},{row.written}," in lines[int(row.line) - 1]


def test_the_other_files_read_back(sample_files, sample):
    items = pd.read_csv(sample_files.items)
    assert items["item_id"].tolist() == sample.items["item_id"].tolist()
    assert set(items["status"]) <= {"active", "phase_out", "obsolete"}
    assert set(items["criticality"]) == {"A", "B", "C", "insurance"}
    assert len(pd.read_csv(sample_files.inventory)) == len(sample.inventory)
    prices = pd.read_csv(sample_files.prices)
    assert set(prices["series"]) == {"Brent", "PETR4"}
    for name in ("climate", "economic", "anatel_5g"):
        table = pq.read_table(sample_files.outside / f"{name}.parquet")
        assert table.num_rows == len(sample.outside[name])


def test_the_truth_lists_rates_and_lost_demand_of_every_item_and_day(sample_files, sample):
    daily = pq.read_table(sample_files.truth / "daily.parquet").to_pandas()
    assert len(daily) == sample.truth.launched.sum()
    assert daily["lost"].sum() == sample.truth.lost.sum()
    assert (daily["demand"] == daily["served"] + daily["lost"]).all()
    effects = json.loads((sample_files.truth / "effects.json").read_text())
    assert effects["families"]["antennas"] == {"storm": 0.35, "humidity": 0.1, "fiveg": 0.6}


def test_a_sample_that_is_there_is_used_again(tmp_path):
    folder = tmp_path / "sample"
    files = ensure_sample(folder)
    before = files.demand.stat().st_mtime_ns
    assert ensure_sample(folder) == files
    assert files.demand.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_a_sample_of_another_version_or_with_a_file_missing_is_rewritten(tmp_path):
    folder = tmp_path / "sample"
    files = ensure_sample(folder, seed=1)
    whole = contents(folder)
    mark = json.loads((folder / "sample.json").read_text())
    (folder / "sample.json").write_text(json.dumps({**mark, "generator_version": 0}))
    ensure_sample(folder, seed=1)
    assert contents(folder) == whole
    files.prices.unlink()
    ensure_sample(folder, seed=1)
    assert contents(folder) == whole


def test_a_sample_has_as_many_items_as_asked_for_and_another_number_is_another_sample(tmp_path):
    few = ensure_sample(tmp_path / "sample", items=12)
    assert len(pd.read_csv(few.items)) == 12
    before = few.demand.read_bytes()
    more = ensure_sample(tmp_path / "sample", items=13)
    assert len(pd.read_csv(more.items)) == 13
    assert more.demand.read_bytes() != before


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="holds files that are not a sample"):
        ensure_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]

"""What models saved of their items is found again, however it is divided among files."""

import os

import numpy as np
import pytest

from ml.forecasters.base import find_rows, read_items, save_items
from ml.forecasters.bucket_distribution import (
    Buckets,
    Distributions,
    load_distributions,
)

PARTS = {"one": ("A", "C"), "two": ("B", "D")}


@pytest.fixture
def folder(tmp_path):
    """Four items in two parts, of which D failed."""
    for part, items in PARTS.items():
        models = {item: f"model of {item}" for item in items if item != "D"}
        save_items(tmp_path / part, items, {"D": "too short"} if "D" in items else {}, models)
    return tmp_path


def ids(rows):
    return sorted(row["item_id"] for row in rows)


def test_items_are_found_in_whichever_part_they_are(folder):
    rows = {row["item_id"]: row for row in read_items(folder, ["D", "A", "missing"])}
    assert set(rows) == {"A", "D"}
    assert rows["A"]["model"] == "model of A"
    assert (rows["D"]["model"], rows["D"]["failure"]) == (None, "too short")
    assert ids(read_items(folder)) == ["A", "B", "C", "D"]
    assert read_items(folder / "nowhere", ["A"]) == []


def test_a_part_that_is_made_later_is_seen(folder):
    assert ids(read_items(folder, ["A", "E"])) == ["A"]
    before = folder.stat().st_mtime_ns
    save_items(folder / "three", ("E",), {}, {"E": "model of E"})
    if folder.stat().st_mtime_ns == before:  # a clock that ticks slowly
        os.utime(folder, ns=(before + 1, before + 1))
    assert ids(read_items(folder, ["A", "E"])) == ["A", "E"]


def test_only_the_files_of_the_wanted_items_are_read(folder):
    assert ids(read_items(folder, ["A"])) == ["A"]
    (folder / "two" / "items.parquet").write_bytes(b"no longer a table")
    assert ids(read_items(folder, ["A"])) == ["A"]


def test_rows_of_a_pooled_model_are_those_of_the_items_in_the_order_asked_for(tmp_path):
    save_items(tmp_path, ("A", "B", "C"), {"B": "no demand"}, {})
    assert find_rows(tmp_path, ("C", "B")) == ([2, 1], {"B": "no demand"})
    assert find_rows(tmp_path, ()) == ([], {})
    with pytest.raises(KeyError, match="X"):
        find_rows(tmp_path, ("A", "X"))


def test_distributions_of_some_items_are_those_of_all(tmp_path):
    rng = np.random.default_rng(0)
    every = Distributions(
        Buckets(np.array([0.0, 2.0]), np.sort(rng.random((3, 64)), axis=1)),
        rng.dirichlet(np.ones(3), (5, 4)).astype(np.float32),
        rng.random((5, 4)),
        rng.random(5),
    )
    every.save(tmp_path)
    some = load_distributions(tmp_path, [4, 0])
    np.testing.assert_array_equal(some.probabilities, every.probabilities[[4, 0]])
    np.testing.assert_array_equal(some.spreads, every.spreads[[4, 0]])
    np.testing.assert_array_equal(some.shared, every.shared[[4, 0]])
    np.testing.assert_array_equal(some.buckets.points, every.buckets.points)
    assert type(some.probabilities) is np.ndarray  # no window on a file that may go

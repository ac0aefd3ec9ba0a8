"""Totals are the sums of items, path by path, in units that can be added."""

from dataclasses import replace

import numpy as np
import pytest

from ml.contracts.base import check
from ml.contracts.forecasts import TOTALS
from ml.ensemble.common_shocks import CommonShocks
from ml.run.totals import (
    TOTAL_PATHS,
    Group,
    ItemLabels,
    add_up,
    read_totals,
    save_totals,
    total_rows,
)
from tests.conftest import monthly_panel
from tests.ml.run.test_rows import WHERE_FROM

STEPS = 4
CERTAIN = CommonShocks(1e-9, 1e-9)
ALL = Group("quantity", "all", "*", "units")
LABELS = [
    ItemLabels("a", "smooth", "antennas", None, 10.0, "BRL"),
    ItemLabels("b", "smooth", "cables", None, None, None),
    ItemLabels("c", "lumpy", "antennas", None, 2.0, "BRL"),
    ItemLabels("d", "lumpy", None, None, None, None),
]


@pytest.fixture
def paths():
    rates = np.array([4.0, 2.0, 1.0, 0.5])[:, None, None]
    drawn = np.random.default_rng(5).poisson(rates, (4, 2000, STEPS)).astype(np.float32)
    # As the ensemble leaves them: the largest sums last, of all items alike.
    return np.take_along_axis(drawn, drawn.sum(axis=2).argsort(axis=1)[:, :, None], axis=1)


def means(totals):
    return {group: total.paths.mean() for group, total in totals.items()}


def test_every_grouping_adds_up_what_belongs_to_it(paths):
    totals = add_up(paths, LABELS, seed=0)
    of = dict(zip("abcd", paths.mean(axis=(1, 2)), strict=True))
    expected = {
        ALL: of["a"] + of["b"] + of["c"] + of["d"],
        Group("quantity", "demand_class", "smooth", "units"): of["a"] + of["b"],
        Group("quantity", "demand_class", "lumpy", "units"): of["c"] + of["d"],
        Group("quantity", "family", "antennas", "units"): of["a"] + of["c"],
        Group("quantity", "family", "cables", "units"): of["b"],
        Group("value", "all", "*", "BRL"): 10 * of["a"] + 2 * of["c"],
        Group("value", "demand_class", "smooth", "BRL"): 10 * of["a"],
        Group("value", "demand_class", "lumpy", "BRL"): 2 * of["c"],
        Group("value", "family", "antennas", "BRL"): 10 * of["a"] + 2 * of["c"],
    }
    assert means(totals) == pytest.approx(expected, rel=0.01)
    assert {group.member: total.items for group, total in totals.items() if group.measure == "value"
            } == {"*": 2, "smooth": 1, "lumpy": 1, "antennas": 2}  # fmt: skip


def test_the_paths_of_classes_add_up_to_those_of_all(paths):
    totals = add_up(paths, LABELS, seed=0)
    classes = [t.paths for g, t in totals.items() if g[:2] == ("quantity", "demand_class")]
    np.testing.assert_allclose(sum(classes), totals[ALL].paths, rtol=1e-6)


def test_items_know_nothing_of_each_other(paths):
    sums = add_up(paths, LABELS, seed=0)[ALL].paths.sum(axis=1)
    # Variances of independent Poisson sums add up: 4 steps of 4 + 2 + 1 + .5.
    assert sums.var() == pytest.approx(30.0, rel=0.15)


def test_units_that_differ_are_never_added(paths):
    labels = [replace(LABELS[0], unit="m"), *LABELS[1:]]
    totals = add_up(paths, labels, seed=0)
    assert totals[ALL].items == 3
    assert totals[ALL._replace(unit="m")].items == 1


def test_chunks_add_up_to_the_same(paths, tmp_path):
    parts = [tmp_path / name for name in ("first", "second", "of prices")]
    for part in parts:
        part.mkdir()
    save_totals(parts[0], add_up(paths[:3], LABELS[:3], seed=0))
    save_totals(parts[1], add_up(paths[3:], LABELS[3:], seed=0))
    found, whole = read_totals(parts), add_up(paths, LABELS, seed=0)
    assert {group: total.items for group, total in found.items()} == {
        group: total.items for group, total in whole.items()
    }
    for group, total in whole.items():
        np.testing.assert_allclose(found[group].paths, total.paths, rtol=1e-6)


def test_what_chunks_write_comes_back_to_the_bit_and_is_added_in_their_order(tmp_path):
    rng, expected, folders = np.random.default_rng(7), {}, []
    for chunk, (label, scale) in enumerate(zip(LABELS, (1.0, 0.7, 1e6, 1e-3), strict=True)):
        drawn = (scale * rng.gamma(0.3, size=(1, 2000, STEPS))).astype(np.float32)
        totals = add_up(drawn, [label], seed=0)
        folders.append(tmp_path / str(chunk))
        save_totals(folders[-1], totals)
        for group, total in totals.items():
            expected[group] = expected.get(group, np.float32(0)) + total.paths
    found = read_totals(folders)
    assert {group: total.paths.tobytes() for group, total in found.items()} == {
        group: sums.tobytes() for group, sums in expected.items()
    }


def test_rare_demand_adds_up_to_a_small_file(tmp_path):
    # Fourteen items of a family and a class, as a chunk of daily data has them: each asks on one
    # day in twenty, so half of the sums are zero, and three groups are the same three times over.
    asked = np.random.default_rng(8).poisson(0.05, (14, 2000, 30)).astype(np.float32)
    labels = [ItemLabels(str(item), "lumpy", "cables", None, 3.5, "BRL") for item in range(14)]
    totals = add_up(asked, labels, seed=0)
    save_totals(tmp_path, totals)
    bare = sum(total.paths.nbytes for total in totals.values())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < bare / 8


def test_rows_keep_the_contract_and_the_mean(paths):
    panel = monthly_panel(4, 24)
    totals = add_up(paths, LABELS, seed=0)
    rows = check(total_rows(totals, CERTAIN, panel, WHERE_FROM, 0), TOTALS).to_pylist()
    assert len(rows) == len(totals) * STEPS
    own = [row for row in rows if (row["measure"], row["grouping"]) == ("quantity", "all")]
    for step, row in enumerate(own):
        assert row["forecast"] == pytest.approx(totals[ALL].paths[:, step].mean(), rel=1e-4)
        assert (row["horizon_step"], row["n_items"], row["member"]) == (step + 1, 4, "*")
        sums = totals[ALL].paths[:, : step + 1].sum(axis=1)
        assert row["cum_q95"] == pytest.approx(np.sort(sums)[int(0.95 * TOTAL_PATHS) - 1], rel=1e-4)


def test_what_is_shared_widens_totals_and_keeps_their_mean(paths):
    panel, totals = monthly_panel(4, 24), add_up(paths, LABELS, seed=0)
    calm, stormy = (
        total_rows(totals, shocks, panel, WHERE_FROM, 0).to_pylist()[STEPS - 1]
        for shocks in (CERTAIN, CommonShocks(0.1, 0.5))
    )
    assert stormy["cum_mean"] == pytest.approx(calm["cum_mean"], rel=0.05)
    width = [row["cum_q95"] - row["cum_q10"] for row in (calm, stormy)]
    assert width[1] > 1.5 * width[0]
    assert (stormy["shock_period"], stormy["shock_horizon"]) == (0.1, 0.5)


def test_without_demand_there_are_no_rows():
    assert total_rows({}, CERTAIN, monthly_panel(1, 12), WHERE_FROM, 0).num_rows == 0

"""What a whole study says, on panels whose demand is known to be Poisson."""

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from ml.contracts.base import check
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.simulation.engine import ServiceRecord
from ml.simulation.levels import BEYOND, FRESH, PERFECT, RULE, SAFETY, TARGETS, USAGE
from ml.simulation.study import (
    LEAST_CYCLES,
    cycle_service,
    raise_targets,
    read_achieved,
    study_stock,
)
from ml.simulation.tables import tables_of
from tests.ml.simulation.worlds import (
    HORIZON,
    MONTH,
    backtest_of,
    backtests_of,
    poisson_panel,
    policies_of,
)

N = 120
RATES = np.geomspace(0.05, 5.0, N)
CLASSES = ["lumpy"] * 60 + ["smooth"] * 57 + ["erratic"] * 3


@pytest.fixture(scope="module")
def panel():
    return poisson_panel(RATES)


@pytest.fixture(scope="module")
def study(panel):
    backtests = backtests_of(panel, RATES, CLASSES, short=0.5)
    return study_stock(backtests, panel, policies_of(panel, lead=2 * MONTH), 0)


@pytest.fixture(scope="module")
def rows(study, panel):
    simulation, curves = tables_of(study, panel, 0)
    return check(simulation, SIMULATION).to_pylist(), check(curves, PORTFOLIO_CURVES).to_pylist()


def pick(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    (row,) = found
    return row


def test_every_method_is_told_at_every_level_for_all_items_and_each_class(rows):
    keys = {(row["method"], row["demand_class"], row["level"]) for row in rows[0]}
    levels = dict.fromkeys(("ensemble", "empirical", "short"), TARGETS)
    levels |= dict.fromkeys((RULE, FRESH), (*TARGETS, *BEYOND))
    levels |= {USAGE: SAFETY, PERFECT: (1.0,)}
    classes = ("*", "lumpy", "smooth", "erratic")
    assert keys == {
        (method, name, level) for method, own in levels.items() for name in classes for level in own
    }


def test_who_knows_the_distribution_achieves_what_it_promises(rows):
    for level in TARGETS:
        row = pick(rows[0], method="ensemble", demand_class="*", level=level)
        # Three origins of six months, three of which end within an interval: 16 cycles an item,
        # about five of which do not overlap: the standard error is at most 2 % at .5.
        assert row["n_cycles"] == 16 * N
        assert row["cycle_service"] == pytest.approx(row["promised_service"], abs=0.03)
        assert row["promised_service"] >= level - 0.02
        assert row["cycle_service_low"] <= row["cycle_service"] <= row["cycle_service_high"]


def test_who_thinks_too_little_of_demand_promises_more_than_comes(rows):
    row = pick(rows[0], method="short", demand_class="*", level=0.9)
    assert row["promised_service"] > 0.9
    assert row["cycle_service_high"] < row["promised_service"] - 0.1


def test_classes_add_up_to_all(rows):
    for name in (
        "n_items",
        "n_periods",
        "n_cycles",
        "n_lines",
        "units_asked",
        "stock_units",
        "owed_units",
    ):
        parts = [row[name] for row in rows[0] if row["method"] == RULE and row["level"] == 0.9
                 and row["demand_class"] != "*"]  # fmt: skip
        assert len(parts) == 3
        whole = pick(rows[0], method=RULE, demand_class="*", level=0.9)[name]
        assert sum(parts) == pytest.approx(whole)


def test_perfect_knowledge_serves_all_with_less_stock_than_anybody(rows):
    perfect = pick(rows[0], method=PERFECT, demand_class="*")
    assert perfect["unit_fill"] == perfect["cycle_service"] == 1.0
    others = [row["stock_value"] for row in rows[0] if row["demand_class"] == "*"
              and row["method"] != PERFECT and row["unit_fill"] > 0.9]  # fmt: skip
    assert perfect["stock_value"] < min(others)


def test_stock_is_what_the_textbook_says_of_base_stock(study, rows):
    # On hand is (S - D)+ with D Poisson over three months, whose rates are known.
    points = np.arange(80)
    level = stats.poisson.ppf(0.9, 3 * RATES)
    over = np.maximum(level[:, None] - points, 0)
    expected = (over * stats.poisson.pmf(points, 3 * RATES[:, None])).sum()
    row = pick(rows[0], method="ensemble", demand_class="*", level=0.9)
    assert row["stock_units"] == pytest.approx(expected, rel=0.05)


def test_at_equal_fill_knowing_the_distribution_takes_less_than_a_rule(rows):
    row = pick(rows[1], method="ensemble", measure="unit_fill", anchor="rule_95")
    rule = pick(rows[0], method=RULE, demand_class="*", level=0.95)
    assert row["service"] == pytest.approx(rule["unit_fill"])
    assert row["rule_stock_value"] == pytest.approx(rule["stock_value"])
    assert row["ratio"] == pytest.approx(row["stock_value"] / rule["stock_value"])
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"] < 1.0
    itself = pick(rows[1], method=RULE, measure="unit_fill", anchor="service_90")
    assert (itself["ratio_low"], itself["ratio"], itself["ratio_high"]) == (1.0, 1.0, 1.0)


def test_what_comes_at_the_newest_origin_changes_nothing_before_it(panel, study):
    values = panel.values.copy()
    values[:, -HORIZON:] += 7.0
    later = replace(panel, values=values)
    found = study_stock(backtests_of(later, RATES, CLASSES, short=0.5), later,
                        policies_of(panel, lead=2 * MONTH), 0)  # fmt: skip
    for method in set(study.runs) - {PERFECT}:
        for name in ("stock", "served", "owed"):
            before, after = (getattr(one.runs[method].record, name)[:, :-1]
                             for one in (study, found))  # fmt: skip
            np.testing.assert_array_equal(before, after, err_msg=f"{method}, {name}")
    for name, nominal in study.calibrated.nominal.items():
        np.testing.assert_array_equal(nominal, found.calibrated.nominal[name])


def test_calibrated_levels_come_nearer_to_the_target_on_origins_that_they_have_not_seen(panel):
    rates = RATES[60:]
    rich = poisson_panel(rates, seed=3)
    backtests = backtests_of(rich, rates, ensemble=0.7)  # a model that expects too little
    study = study_stock(backtests, rich, policies_of(rich, lead=2 * MONTH), 0)
    simulation, _ = tables_of(study, rich, 0)
    for level in (0.8, 0.9):
        row = pick(simulation.to_pylist(), method="ensemble", demand_class="*", level=level)
        assert row["newest_service"] < level - 0.05
        assert row["tau_calibrated"] > level
        assert row["calibrated_service"] == pytest.approx(level, abs=0.05)


def test_targets_are_never_lowered_and_hardly_raised_for_noise(panel):
    # of the true rates: what is short of a target is noise, or what is more than it whole units
    right = study_stock(backtests_of(panel, RATES), panel, policies_of(panel, lead=2 * MONTH), 0)
    nominal = right.calibrated.nominal["*"]
    assert (nominal >= TARGETS).all()
    assert nominal == pytest.approx(TARGETS, abs=0.01)


def test_a_target_is_raised_to_what_achieved_it_less_what_may_be_noise():
    # 40 items of 10 cycles each, of which all meet 8 at the level .9 and 9 at .95: of the gap of a
    # tenth nothing is noise, .95 achieved .9, and the level beyond the last is the last
    targets = np.array([0.9, 0.95, 0.99])
    record = record_of(np.full((40, 1), 10.0), np.tile([8.0, 9.0, 9.5], (40, 1, 1)))
    assert raise_targets(targets, record) == pytest.approx([0.95, 0.99, 0.99])
    # half of the items meet all at .9, half only 6: the same service, variance 40 x 4 / 400^2 =
    # .001 of a gap of .1: a tenth less
    met = np.tile([8.0, 9.0, 9.5], (40, 1, 1))
    met[:, 0, 0] += np.tile([2.0, -2.0], 20)
    assert raise_targets(targets, record_of(np.full((40, 1), 10.0), met))[0] == pytest.approx(0.945)


def record_of(cycles, met):
    """A record of nothing but cycles (N, G) and those without shortage (N, G, K)."""
    empty = {field.name: np.zeros_like(cycles) for field in fields(ServiceRecord)}
    return ServiceRecord(**(empty | {"cycles": cycles, "met": met}))


def test_with_one_origin_nothing_is_calibrated(panel):
    one = backtests_of(panel, RATES, CLASSES)[:1]
    study = study_stock(one, panel, policies_of(panel), 0)
    assert study.calibrated is None
    simulation, _ = tables_of(study, panel, 0)
    assert simulation["tau_calibrated"].null_count == simulation.num_rows
    assert simulation["n_origins"].unique().to_pylist() == [1]


def test_lost_sales_are_asked_for_once(panel):
    backtests = backtests_of(panel, RATES, CLASSES)
    owed, lost = (study_stock(backtests, panel, policies_of(panel), 0, lost_sales=choice)
                  for choice in (False, True))  # fmt: skip
    before, after = (
        cycle_service(one.scene, one.runs["ensemble"].record)[0]["*"] for one in (owed, lost)
    )
    # What is lost takes no stock later.
    assert (after >= before).all()
    assert after[0] > before[0]


def test_achieved_service_is_that_of_the_class_or_of_the_panel_where_cycles_are_few(study, panel):
    achieved = read_achieved(tables_of(study, panel, 0)[0])
    assert achieved.cycles == {"*": 16 * N, "lumpy": 960, "smooth": 912, "erratic": 48}
    assert achieved.cycles["erratic"] < LEAST_CYCLES
    assert achieved.at("erratic", 0.9) == achieved.at(None, 0.9) == achieved.at("new", 0.9)
    smooth, cycles = achieved.at("smooth", 0.9)
    assert cycles == 912
    assert smooth == study.runs["ensemble"].record.met[60:117, :, 4].sum() / 912
    assert achieved.at("smooth", 0.91)[0] == pytest.approx(
        0.6 * smooth + 0.4 * achieved.at("smooth", 0.925)[0]
    )


def test_a_raised_target_is_told_by_the_newest_origin(panel):
    rates = RATES[60:]
    backtests = backtests_of(panel.select(panel.items[60:]), rates, ensemble=0.7)
    study = study_stock(backtests, panel, policies_of(panel, lead=2 * MONTH), 0)
    simulation, _ = tables_of(study, panel, 0)
    row = pick(simulation.to_pylist(), method="ensemble", demand_class="*", level=0.9)
    achieved = read_achieved(simulation)
    assert achieved.raise_at(None, 0.9) == pytest.approx(row["tau_calibrated"] - 0.9)
    assert achieved.raise_at(None, 0.9) > 0.01
    assert achieved.at(None, 0.9) == (row["calibrated_service"], row["newest_cycles"])


def test_nothing_is_achieved_in_few_cycles_or_in_none():
    row = {"method": "ensemble", "demand_class": "*", "level": 0.9, "cycle_service": 0.8}
    for cycles, expected in ((LEAST_CYCLES - 1, (None, 0)), (LEAST_CYCLES, (0.8, LEAST_CYCLES))):
        few = pa.Table.from_pylist([row | {"n_cycles": cycles}], SIMULATION.schema)
        assert read_achieved(few).at("lumpy", 0.9) == expected
    assert read_achieved(SIMULATION.schema.empty_table()).at("lumpy", 0.9) == (None, 0)


def test_without_a_backtest_tables_are_empty(panel):
    assert study_stock([], panel, policies_of(panel), 0) is None
    assert [table.num_rows for table in tables_of(None, panel, 0)] == [0, 0]


def test_an_items_numbers_do_not_depend_on_the_others(panel, study):
    half = panel.select(panel.items[::2])
    backtests = backtests_of(half, RATES[::2], CLASSES[::2])
    alone = study_stock(backtests, half, policies_of(half, lead=2 * MONTH), 0)
    for name in ("stock", "met", "served"):
        both = [getattr(one.runs["ensemble"].record, name) for one in (alone, study)]
        np.testing.assert_array_equal(both[0], both[1][::2])


def test_origins_that_overlap_are_each_held_until_the_next(panel):
    backtests = [backtest_of(panel, length, RATES, CLASSES) for length in (42, 39)]
    part = study_stock(backtests, panel, policies_of(panel), 0).scene.items.part
    assert part[part >= 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]

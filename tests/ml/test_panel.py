from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from ml.frequency import Frequency, period_range
from ml.panel import Panel
from tests.conftest import daily_panel, monthly_panel, price_panel


def small(items=("A", "B"), values=((1.0, 2.0, np.nan), (0.0, np.nan, 3.0)), units=("units",) * 2):
    periods = period_range(np.datetime64("2025-01-01"), np.datetime64("2025-03-01"),
                           Frequency.MONTHLY)  # fmt: skip
    return Panel("demand", Frequency.MONTHLY, items, periods, np.array(values), units)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param({"values": ((1.0, 2.0), (3.0, 4.0))}, r"values must be \(2, 3\)", id="period"),
        pytest.param({"values": ((1.0, 2.0, 3.0),)}, r"got \(1, 3\)", id="row"),
        pytest.param({"units": ("units",)}, r"values must be \(2, 3\)", id="unit"),
        pytest.param({"items": ("B", "A")}, "items must be sorted and unique", id="order"),
        pytest.param({"items": ("A", "A")}, "items must be sorted and unique", id="repeated id"),
    ],
)
def test_a_panel_whose_parts_do_not_fit_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        small(**parts)


def test_nothing_in_a_panel_can_be_changed():
    panel = small()
    with pytest.raises(ValueError, match="read-only"):
        panel.values[0, 0] = 9.0
    with pytest.raises(FrozenInstanceError, match="items"):
        panel.items = ("X", "Y")


@pytest.mark.parametrize(
    "derive",
    [
        pytest.param(lambda panel: panel.until(panel.periods[-2]), id="until"),
        pytest.param(lambda panel: panel.select(panel.items[1:]), id="select"),
        pytest.param(lambda panel: panel.rows([0]), id="rows"),
    ],
)
def test_what_is_taken_from_a_panel_shares_no_memory_and_is_read_only(derive):
    panel = daily_panel()
    taken = derive(panel)
    assert not np.shares_memory(taken.values, panel.values)
    with pytest.raises(ValueError, match="read-only"):
        taken.values[0, 0] = 9.0


@pytest.mark.parametrize(
    ("cutoff", "left"),
    [
        pytest.param("2024-12-31", 0, id="before all"),
        pytest.param("2025-01-01", 1, id="on the first"),
        pytest.param("2025-02-20", 2, id="within a period"),
        pytest.param("2025-03-01", 3, id="on the last"),
        pytest.param("2030-01-01", 3, id="after all"),
    ],
)
def test_until_keeps_the_period_of_the_cutoff_and_all_before(cutoff, left):
    panel = small()
    seen = panel.until(np.datetime64(cutoff))
    np.testing.assert_array_equal(seen.periods, panel.periods[:left])
    np.testing.assert_array_equal(seen.values, panel.values[:, :left])
    assert (seen.items, seen.units) == (panel.items, panel.units)


@pytest.mark.parametrize(
    "make", [monthly_panel, daily_panel, price_panel], ids=lambda f: f.__name__
)
def test_what_happens_after_the_cutoff_is_not_in_what_a_model_sees(make):
    panel = make()
    cut = len(panel.periods) * 2 // 3
    other = panel.values.copy()
    other[:, cut + 1 :] = 1e12
    changed = replace(panel, values=other).until(panel.periods[cut])
    np.testing.assert_array_equal(changed.values, panel.until(panel.periods[cut]).values)
    assert changed.cutoff == panel.periods[cut]


def test_items_come_in_the_order_of_the_panel_whatever_the_order_of_the_question():
    panel = monthly_panel(5)
    chosen = panel.select(["PART-004", "no such part", "PART-001"])
    assert chosen.items == ("PART-001", "PART-004")
    np.testing.assert_array_equal(chosen.values, panel.values[[1, 4]])


def test_units_stay_with_their_items():
    assert price_panel().select(["SPREAD"]).units == (None,)
    assert price_panel().select(["BRENT"]).units == ("USD",)


def test_zero_is_an_observation_and_missing_is_not():
    np.testing.assert_array_equal(small().observed(), [[True, True, False], [True, False, True]])

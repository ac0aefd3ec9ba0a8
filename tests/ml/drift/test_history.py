"""History that is another one than it was: found by hashes, told apart from what is new."""

from dataclasses import replace

import numpy as np
import pytest

from ml.drift.history import hash_history, history_rows, read_state, write_state
from ml.frequency import Frequency
from ml.panel import Panel


def rows(panel, before):
    table = history_rows("demand", panel, before)
    return {row["name"]: (row["test"], row["since"].date().isoformat(), row["recent"])
            for row in table.to_pylist()}  # fmt: skip


def changed(panel, **fields):
    return replace(panel, **fields)


def test_more_periods_are_no_other_history(monthly):
    before = hash_history(monthly.until(monthly.periods[-4]))
    assert rows(monthly, before) == {}
    assert rows(monthly, None) == {}


def test_a_value_that_was_over_and_is_another_is_told_with_its_stretch(monthly):
    before = hash_history(monthly)
    values = monthly.values.copy()
    values[3, 14] += 1  # 48 months until 2025-12: the fifteenth is 2023-03
    values[5, -1] = np.nan
    assert rows(changed(monthly, values=values), before) == {
        "PART-003": ("rewritten", "2023-01-01", 1.0),
        "PART-005": ("rewritten", "2025-01-01", 1.0),
    }


def test_values_that_come_late_are_new_and_no_rewritten_history(tmp_path, monthly):
    values = monthly.values.copy()
    values[3, -2:] = np.nan
    values[4] = np.nan  # was never observed
    write_state(tmp_path / "state", hash_history(changed(monthly, values=values)))
    before = read_state(tmp_path / "state")
    assert rows(monthly, before) == {}
    later = monthly.values.copy()
    later[3, -3] += 1  # the last value that was known: 2025-10
    assert rows(changed(monthly, values=later), before) == {
        "PART-003": ("rewritten", "2025-01-01", 1.0)
    }


def test_items_that_came_and_went_are_told_apart(monthly):
    before = hash_history(monthly.select(monthly.items[:-1]))
    now = monthly.select(monthly.items[1:])
    assert {name: row[0] for name, row in rows(now, before).items()} == {
        "PART-000": "vanished",
        "PART-007": "new",
    }


def test_an_item_that_was_never_observed_is_neither_new_nor_rewritten(monthly):
    values = monthly.values.copy()
    values[2] = np.nan
    silent = changed(monthly, values=values)
    assert rows(silent, hash_history(silent)) == {}


def test_a_calendar_that_begins_earlier_without_observations_is_the_same_history(daily):
    longer = np.concatenate([np.full((len(daily.items), 10), np.nan), daily.values], axis=1)
    periods = np.concatenate([daily.periods[0] - np.arange(10, 0, -1), daily.periods])
    panel = Panel("demand", Frequency.DAILY, daily.items, periods, longer, daily.units)
    assert rows(panel, hash_history(daily)) == {}


def test_what_is_kept_is_read_again(tmp_path, monthly):
    path = tmp_path / "history" / "demand_ms.parquet"
    state = hash_history(monthly)
    write_state(path, state)
    assert read_state(path) == state
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1" * 20])
def test_a_damaged_state_is_as_if_there_were_none(tmp_path, content):
    path = tmp_path / "state.parquet"
    assert read_state(path) is None
    path.write_bytes(content)
    assert read_state(path) is None

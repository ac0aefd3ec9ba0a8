"""A sample of the drill of drift: false alarms on quiet nights, planted changes on others."""

import os

import numpy as np
import pytest

from benchmarks.drift_power import WORLDS, nights, power_row
from ml.drift.detect import RATE

NIGHTS, ITEMS = (200, 300) if os.environ.get("DRILLS") == "full" else (20, 60)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_drill_without_a_change_is_told_of_drift_at_most_at_the_stated_rate(world):
    told = sum(night.told for night in nights(world, NIGHTS, ITEMS))
    # Three standard errors above the rate.
    assert told <= RATE * NIGHTS + 3 * np.sqrt(RATE * (1 - RATE) * NIGHTS)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS[1::2], ids=lambda world: world.name)
def test_in_a_drill_fast_movers_that_triple_are_found(world):
    told, *_, fast, false = power_row(list(nights(world, 8, 200, 3.0)))
    assert told == "100%"
    assert int(fast.rstrip("%")) >= 50
    assert float(false.rstrip("%")) <= 10

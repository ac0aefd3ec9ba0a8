"""Networks that go on from an earlier cutoff: from what they knew, where it is worth it."""

from dataclasses import replace

import numpy as np
import pytest

from ml.forecasters.base import predict
from ml.forecasters.bucket_distribution import FittedBuckets
from ml.forecasters.lstm_adapter import LstmForecaster
from ml.forecasters.lstm_memory import recall
from ml.frequency import Frequency, periods_after
from ml.panel import Panel

HORIZON, SEED = 3, 2
LSTM = LstmForecaster(horizon=HORIZON, epochs=2, units=8, seed=SEED)


def make_panel(months=40) -> Panel:
    values = np.random.default_rng(3).poisson(2.0, (12, 40))[:, :months] + 1.0
    periods = periods_after(np.datetime64("2020-12"), months, Frequency.MONTHLY)
    items = tuple(f"{row:02d}" for row in range(12))
    return Panel("demand", Frequency.MONTHLY, items, periods, values, (None,) * 12)


def known_until(months, folder):
    """The network of an earlier cutoff, as a later one finds it."""
    folder.mkdir()
    panel = make_panel(months)
    LSTM.fit(panel).save(folder)
    return LSTM.load(folder, panel)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return known_until(36, tmp_path_factory.mktemp("models") / "36")


def paths_of(fitted):
    return predict(fitted, fitted.panel.items, HORIZON, seed=SEED, n_paths=200).paths


def test_a_network_goes_on_the_same_way_from_what_it_knew(known, tmp_path):
    panel = make_panel()
    fitted = [LSTM.fit(panel, start=known) for _ in range(2)]
    first, again = (paths_of(one) for one in fitted)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, paths_of(LSTM.fit(panel)))
    # Half the rate along one pass: what it knows by then lies near what it knew.
    fitted[0].save(tmp_path)
    later, earlier = recall(LSTM.load(tmp_path, panel)), recall(known)
    moved, own = (
        sum(float(np.square(one - two).sum()) for one, two in zip(*pair, strict=True)) ** 0.5
        for pair in (
            (later.networks[0], earlier.networks[0]),
            (earlier.networks[0], [np.zeros_like(one) for one in earlier.networks[0]]),
        )
    )
    assert 0 < moved < own / 4
    assert later.windows > earlier.windows


def test_what_networks_know_comes_back_as_it_was(known):
    memory = recall(known)
    buckets = known.predicted.buckets
    assert len(memory.networks) == 1  # small counts: one that has seen all of it
    np.testing.assert_array_equal(memory.buckets.edges, buckets.edges)
    np.testing.assert_array_equal(memory.buckets.points, buckets.points)
    # Of 12 items windows that end with the 6th to the 35th month: the 36th has none to teach.
    assert memory.windows == 12 * 30
    assert memory.told == ("season",)  # from three years on


def test_networks_that_have_seen_too_little_learn_afresh(tmp_path):
    panel = make_panel()
    few = known_until(20, tmp_path / "20")  # 13 of 33 windows an item
    np.testing.assert_array_equal(paths_of(LSTM.fit(panel, start=few)), paths_of(LSTM.fit(panel)))


def test_networks_of_another_build_or_other_drivers_learn_afresh(known):
    memory = recall(known)
    weights, count = memory.networks[0], memory.windows
    assert memory.serves(count, ("season",), weights)
    assert not memory.serves(count, ("climate", "season"), weights)
    assert not memory.serves(count, (), weights)
    assert not memory.serves(2 * count, ("season",), weights)
    assert not memory.serves(count, ("season",), [*weights[:-1], np.zeros(99, np.float32)])
    wider = replace(LSTM, units=9)
    panel = make_panel()
    np.testing.assert_array_equal(
        paths_of(wider.fit(panel, start=known)), paths_of(wider.fit(panel))
    )


@pytest.mark.parametrize("start", [None, FittedBuckets("lstm", make_panel(), {})])
def test_nothing_is_recalled_of_what_was_not_read_from_a_folder(start):
    assert recall(start) is None

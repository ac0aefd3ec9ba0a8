"""What is believed of many tests, on p-values whose truth is known."""

import numpy as np

from ml.drift.false_alarms import judge_items, rare_level

RNG = np.random.default_rng(8)


def test_a_level_is_reached_by_no_more_than_its_share_of_windows():
    earlier = np.arange(1, 100) / 100  # 99 windows: with the one judged, 100
    assert rare_level(earlier, 0.01) < 0.01
    assert 0.01 < rare_level(earlier, 0.02) < 0.02
    assert rare_level(earlier[:50], 0.01) < 0  # of 51 none is rarer than one in a hundred


def test_independent_items_are_found_on_no_more_nights_than_stated():
    nights = [judge_items(RNG.random((100, 200)), 199, rate=0.05, false_share=0.1).found.any()
              for _ in range(400)]  # fmt: skip
    assert np.mean(nights) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_items_that_all_move_together_are_found_on_no_more_nights_than_stated():
    # One number for all items of a window: by Benjamini and Hochberg alone, a tenth of the nights.
    def night():
        shared = RNG.random(200) ** 1.5  # and the tests are a little too sure of themselves
        own = np.clip(shared + RNG.normal(0, 1e-4, (100, 200)), 1e-9, 1)
        return judge_items(own, 199, rate=0.05, false_share=0.1).found.any()

    assert np.mean([night() for _ in range(400)]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_an_item_whose_windows_always_stray_is_believed_less():
    p_values = RNG.random((50, 200))
    p_values[0] = p_values[0] ** 30  # its tests hold what it always does for a change
    p_values[0, 0] = p_values[1, 0] = 1e-8
    found = judge_items(p_values, 199, rate=0.02, false_share=0.05)
    assert not found.found[0]
    assert found.found[1]
    assert found.p_values[1] < 1e-6


def test_nothing_to_judge_is_nothing_found():
    assert not judge_items(np.empty((0, 10)), 9, rate=0.1, false_share=0.1).found.size
